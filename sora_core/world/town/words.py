"""The words of the town: many for each fact, in the forms that the grammar needs."""

from .. import words as toy

KIND_NAMES: dict[str, tuple[tuple[str, str], ...]] = {
    "ball": (("ball", "balls"), ("ball", "balls"), ("sphere", "spheres"), ("orb", "orbs")),
    "cube": (("cube", "cubes"), ("cube", "cubes"), ("box", "boxes"), ("block", "blocks")),
    "cylinder": (("cylinder", "cylinders"), ("cylinder", "cylinders"), ("drum", "drums")),
    "cone": (("cone", "cones"), ("cone", "cones"), ("traffic cone", "traffic cones")),
    "car": (("car", "cars"), ("car", "cars"), ("automobile", "automobiles"), ("sedan", "sedans")),
    "bus": (("bus", "buses"), ("bus", "buses"), ("coach", "coaches")),
    "man": (("man", "men"), ("man", "men"), ("person", "people"), ("guy", "guys")),
    "woman": (("woman", "women"), ("woman", "women"), ("lady", "ladies"), ("girl", "girls")),
    "dog": (("dog", "dogs"), ("dog", "dogs"), ("puppy", "puppies")),
    "cat": (("cat", "cats"), ("cat", "cats"), ("kitten", "kittens")),
    "tree": (("tree", "trees"),),
    "house": (("house", "houses"), ("house", "houses"), ("cottage", "cottages")),
    "tower": (("tower of blocks", "towers of blocks"), ("stack of blocks", "stacks of blocks")),
    "lamp": (("lamp", "lamps"), ("street lamp", "street lamps"), ("lantern", "lanterns")),
    "wall": (("brick wall", "brick walls"), ("wall", "walls")),
    "roller": (("paint roller", "paint rollers"), ("roller", "rollers")),
    "snowman": (("snowman", "snowmen"),),
    "robot": (("robot", "robots"), ("robot", "robots"), ("android", "androids")),
    "boat": (("boat", "boats"), ("sailing boat", "sailing boats"), ("ship", "ships")),
    "table": (("table", "tables"), ("table", "tables"), ("desk", "desks")),
}
DRESSED = ("man", "woman")
DRESSES = {"man": ("shirt", "jacket", "sweater"), "woman": ("dress", "dress", "skirt")}

TOWN_COLOUR_WORDS = toy.COLOUR_WORDS | {
    "pink": ("pink", "pink", "pink", "rose pink", "bright pink"),
    "brown": ("brown", "brown", "brown", "dark brown", "chocolate brown"),
    "turquoise": ("turquoise", "turquoise", "cyan", "teal", "aqua"),
    "grey": ("grey", "grey", "gray", "slate grey"),
    "black": ("black", "black", "black", "jet black", "pitch black"),
}
SIZE_PHRASES = {
    "small": ("small", "little", "tiny"),
    "medium": ("medium-sized", "mid-sized"),
    "large": ("large", "big", "huge"),
}
NUMBERS = {2: ("two", "two", "a pair of"), 3: ("three",), 4: ("four",), 5: ("five",)}

Forms = tuple[str, str]  # "rolls", "rolling"

TRAVEL_PHRASES: dict[str, tuple[Forms, ...]] = {
    "roll": (("rolls", "rolling"), ("rolls", "rolling"), ("moves", "moving")),
    "walk": (("walks", "walking"), ("walks", "walking"), ("strolls", "strolling")),
    "drive": (("drives", "driving"), ("drives", "driving"), ("moves", "moving")),
    "sail": (("sails", "sailing"), ("floats", "floating"), ("moves", "moving")),
    "slide": (("slides", "sliding"), ("glides", "gliding"), ("moves", "moving")),
}
DIRECTION_PHRASES = {
    "left": ("to the left", "left", "leftward", "from right to left"),
    "right": ("to the right", "right", "rightward", "from left to right"),
    "toward": ("toward the camera", "towards us", "toward the viewer", "closer"),
    "away": ("away from the camera", "away from us", "into the distance", "away"),
    "toward left": ("toward the camera and to the left", "diagonally toward us to the left"),
    "toward right": ("toward the camera and to the right", "diagonally toward us to the right"),
    "away left": ("diagonally away to the left", "into the distance and to the left"),
    "away right": ("diagonally away to the right", "into the distance and to the right"),
}
TOWN_MOTION_PHRASES: dict[str, tuple[Forms, ...]] = {
    "bounce": (
        ("bounces", "bouncing"),
        ("bounces up and down", "bouncing up and down"),
        ("hops up and down", "hopping up and down"),
    ),
    "fall": (
        ("falls from above", "falling from above"),
        ("drops to the ground", "dropping to the ground"),
        ("falls down", "falling down"),
    ),
    "drop": (
        ("falls off", "falling off"),
        ("drops to the floor", "dropping to the floor"),
        ("tumbles down", "tumbling down"),
    ),
    "jump": (
        ("jumps", "jumping"),
        ("jumps up", "jumping up"),
        ("leaps into the air", "leaping into the air"),
    ),
    "spin": (
        ("spins", "spinning"),
        ("turns around on the spot", "turning around on the spot"),
        ("rotates in place", "rotating in place"),
        ("twirls", "twirling"),
    ),
    "sway": (
        ("sways in the wind", "swaying in the wind"),
        ("swings from side to side", "swinging from side to side"),
    ),
    "topple": (
        ("falls over", "falling over"),
        ("topples over", "toppling over"),
        ("tips over", "tipping over"),
    ),
    "scatter": (
        ("collapses", "collapsing"),
        ("falls apart", "falling apart"),
        ("tumbles down", "tumbling down"),
    ),
    "grow": (("grows", "growing"), ("gets bigger", "getting bigger"), ("swells", "swelling")),
    "shrink": (("shrinks", "shrinking"), ("gets smaller", "getting smaller")),
    "circle": (
        ("goes in a circle", "going in a circle"),
        ("circles around", "circling around"),
        ("runs around in a ring", "running around in a ring"),
    ),
    "still": (
        ("stands still", "standing still"),
        ("does not move", "not moving"),
        ("stays in place", "not moving"),
        ("remains motionless", "not moving"),
        ("rests", "resting"),
    ),
    "stop": (
        ("stops", "stopping"),
        ("comes to a halt", "coming to a halt"),
        ("stands still", "standing still"),
    ),
}
CONTACT_PHRASES = {  # active, past participle
    "hit": (
        ("hits", "hit"),
        ("bumps into", "hit"),
        ("collides with", "struck"),
        ("strikes", "struck"),
    ),
    "push": (("pushes", "pushed"), ("shoves", "shoved"), ("pushes away", "pushed away")),
    "knock over": (
        ("knocks over", "knocked over"),
        ("topples", "toppled"),
        ("knocks down", "knocked down"),
    ),
}
RELATION_PHRASES = {
    "left of": ("to the left of", "left of", "on the left of"),
    "right of": ("to the right of", "right of", "on the right of"),
    "behind": ("behind", "in back of", "at the back of"),
    "in front of": ("in front of", "in front of", "ahead of"),
    "on": ("on top of", "on", "resting on"),
    "near": ("near", "next to", "close to", "beside"),
}
HIDES = (
    "passes behind a wall and comes out again",
    "disappears behind the wall and reappears",
    "goes behind a brick wall and comes out on the other side",
    "is hidden by a wall for a moment",
)
LEAVES = ("leaves the frame", "goes out of view", "exits the picture", "moves out of the frame")
RETURNS = ("comes back", "returns", "enters again", "comes back into view")
ENTERS = ("enters the frame", "comes into view", "appears from the side", "comes into the picture")
STROKE_PHRASES = {
    "stroke": (
        "leaving a stroke of paint behind",
        "painting a stripe on the floor",
        "leaving a {colour} trail on the ground",
        "drawing a line of {colour} paint",
    ),
    "tracks": ("leaving tracks behind", "leaving tyre tracks", "leaving two tracks on the ground"),
    "footprints": ("leaving footprints behind", "leaving a line of footprints"),
}
LAMPS = ("lights up", "is switched on", "turns on", "begins to shine")
RECOLOURS = ("turns {colour}", "changes its colour to {colour}", "becomes {colour}")
TOWN_LIGHTS = {
    "night": ("night falls", "it gets dark", "it turns to night", "darkness falls"),
    "day": ("day breaks", "it becomes day", "it gets bright", "it turns to day"),
    "sunset": ("the sun goes down", "it turns to sunset", "evening comes"),
    "dawn": ("dawn breaks", "it turns to dawn", "the morning comes"),
    "cloudy": ("clouds cover the sky", "the sky turns grey", "it clouds over"),
}

TOWN_FLOOR_PHRASES = {
    kind: tuple(p for p in phrases if not p.startswith("across"))
    for kind, phrases in toy.FLOOR_PHRASES.items()
} | {
    "water": ("on water", "on blue water", "on the sea", "on a lake"),
    "road": ("on a road", "on the street", "on an asphalt road", "on a street"),
    "brick": ("on a brick floor", "on red bricks", "on brick pavement"),
    "dirt": ("on dirt", "on brown earth", "on bare ground", "on muddy ground"),
    "tiles": ("on blue tiles", "on a tiled floor", "on light blue tiles", "on bathroom tiles"),
}
FLOOR_NAMES = {
    "grass": ("grass", "meadow", "lawn"),
    "sand": ("sand", "desert", "beach"),
    "checker": ("checkered floor", "checkerboard"),
    "snow": ("snow",),
    "wood": ("wooden floor", "planks"),
    "grey": ("concrete", "stone slabs"),
    "water": ("water", "sea"),
    "road": ("road", "street"),
    "brick": ("brick floor", "bricks"),
    "dirt": ("dirt", "bare earth"),
    "tiles": ("blue tiles", "tiled floor"),
}
TOWN_SKY_PHRASES = {sky: toy.SKY_PHRASES[sky] for sky in ("day", "sunset", "night")} | {
    "dawn": ("at dawn", "in the early morning", "under a pink morning sky", "at sunrise"),
    "cloudy": ("under a cloudy sky", "on a grey day", "under grey clouds", "on an overcast day"),
}
SKY_NAMES = {
    "day": ("daylight", "sunny", "blue sky"),
    "sunset": ("sunset", "dusk", "evening light"),
    "night": ("night", "moonlight", "dark"),
    "dawn": ("dawn", "early morning", "sunrise"),
    "cloudy": ("cloudy", "overcast", "grey sky"),
}
TOWN_GROUNDS = toy.GROUNDS | {
    "water": ("blue water with small waves", "the open sea"),
    "road": ("a road with white lines", "grey asphalt"),
    "brick": ("red brick", "a brick pavement"),
    "dirt": ("brown earth", "bare dirt"),
    "tiles": ("light blue tiles", "a tiled floor"),
}
SCENERY = toy.LIGHTS | {
    "dawn": (
        "The morning sky is pink over distant hills",
        "It is early morning, and the light is soft and rosy",
    ),
    "cloudy": (
        "The sky is covered with grey clouds",
        "It is an overcast day with flat, soft light",
    ),
}
WEATHER_PHRASES = {
    "rain": ("in the rain", "while it rains", "as rain falls"),
    "snowfall": ("while it snows", "in falling snow", "as snowflakes fall"),
}
CAMERA_PHRASES: dict[str, tuple[str, ...]] = {
    "static": (
        "the camera does not move",
        "static shot",
        "the camera stays still",
        "without moving the camera",
        "locked-off camera",
        "the camera is on a tripod",
    ),
    "handheld": ("handheld camera", "the camera shakes slightly", "shaky handheld shot"),
    "pan left": ("the camera pans left", "pan to the left", "the camera turns to the left"),
    "pan right": ("the camera pans right", "pan to the right", "the camera turns to the right"),
    "tilt up": ("the camera tilts up", "tilt up", "the camera looks up slowly"),
    "tilt down": ("the camera tilts down", "tilt down", "the camera looks down slowly"),
    "zoom in": ("the camera zooms in", "slow zoom in", "zooming in", "the lens zooms in"),
    "zoom out": ("the camera zooms out", "slow zoom out", "zooming out", "the view widens"),
    "rise": ("the camera rises", "crane shot going up", "the camera lifts upward"),
    "sink": ("the camera sinks", "crane shot going down", "the camera descends"),
    "orbit": ("the camera orbits around", "the camera circles the scene", "orbit shot"),
    "orbit right": ("the camera orbits around", "the camera moves around in an arc", "arc shot"),
    "push in": ("the camera pushes in", "dolly in", "the camera moves closer", "slow push in"),
    "pull back": ("the camera pulls back", "dolly out", "the camera moves back", "pull back"),
    "truck left": ("the camera moves sideways to the left", "truck left", "tracking left"),
    "truck right": ("the camera moves sideways to the right", "truck right", "tracking right"),
    "follow": ("the camera follows it", "tracking shot", "the camera moves along with it"),
}
ANGLE_PHRASES = {
    "front": ("from the front",),
    "side": ("from the side", "at an angle"),
    "behind": ("from behind", "from the other side", "from the back"),
    "above": ("from above", "from a high angle", "looking down"),
    "low": ("from a low angle", "from close to the ground", "low camera"),
}
FRAMING_PHRASES = {
    "close": ("close-up", "close shot", "tight shot"),
    "medium": ("medium shot",),
    "wide": ("wide shot", "long shot", "distant view"),
}
