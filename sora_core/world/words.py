"""The vocabulary of captions: phrases for each value of a scene, frequent ones repeatedly."""

COLOUR_WORDS = {
    "red": ("red", "red", "red", "bright red", "crimson", "scarlet", "ruby red"),
    "orange": ("orange", "orange", "orange", "bright orange", "tangerine", "pumpkin orange"),
    "yellow": ("yellow", "yellow", "yellow", "bright yellow", "lemon yellow", "golden yellow"),
    "green": ("green", "green", "green", "bright green", "emerald", "emerald green"),
    "blue": ("blue", "blue", "blue", "bright blue", "royal blue", "cobalt blue"),
    "purple": ("purple", "purple", "purple", "bright purple", "violet", "deep purple"),
    "white": ("white", "white", "white", "pure white", "clean white", "bright white"),
}
SHAPE_WORDS = {
    "ball": ("ball", "ball", "ball", "sphere", "orb", "round ball"),
    "cube": ("cube", "cube", "cube", "box", "block", "square box"),
    "cylinder": ("cylinder", "cylinder", "cylinder", "drum", "tin can", "round pillar"),
    "cone": ("cone", "cone", "cone", "pointed cone", "pointy cone", "traffic cone"),
}
SIZE_WORDS = {
    "small": ("small", "little", "tiny"),
    "medium": ("medium-sized", "mid-sized", "medium"),
    "large": ("large", "big", "huge"),
}
LOOKS = ("smooth", "glossy", "shiny", "polished", "plain", "solid")
STRIPES = ("striped", "stripy", "banded")
STRIPED_WITH = ("with white stripes", "with white bands", "striped in white", "with white markings")
STRIPED_WITH_GREY = ("with grey stripes", "with dark stripes", "with grey bands")

VERBS = {
    "roll": ("rolls", "is rolling", "rolls along", "goes rolling"),
    "slide": ("slides", "glides", "moves", "is sliding"),
    "go": ("moves", "travels", "goes", "is moving"),
}
MOTION_PHRASES = {
    "left": ("to the left", "left", "leftwards", "from right to left", "toward the left side"),
    "right": ("to the right", "right", "rightwards", "from left to right", "toward the right side"),
    "toward": (
        "toward the camera",
        "toward us",
        "toward the viewer",
        "closer to the camera",
        "nearer and nearer",
    ),
    "away": (
        "away from the camera",
        "away from us",
        "into the distance",
        "away from the viewer",
        "farther away",
    ),
    "bounce": (
        "bounces up and down",
        "bounces",
        "keeps bouncing",
        "is bouncing up and down",
        "hops up and down",
        "jumps up and down",
    ),
    "fall": (
        "falls from above",
        "drops down",
        "falls to the ground",
        "falls down and comes to rest",
        "drops from the sky",
        "is falling down",
    ),
    "spin": (
        "spins",
        "spins in place",
        "turns around itself",
        "rotates",
        "is spinning",
        "rotates on the spot",
        "twirls in place",
    ),
    "still": (
        "stands still",
        "does not move",
        "rests",
        "sits still",
        "stays in place",
        "is motionless",
        "remains still",
    ),
}
STANDS = ("stands", "rests", "sits", "is")
HITS = ("hits", "bumps into", "collides with", "knocks into", "strikes")
PUSHED = (
    "pushes it away",
    "sends it moving",
    "sets it in motion",
    "knocks it onward",
    "makes it move off",
)
BEHIND = (
    "passes behind a brick wall",
    "disappears behind a brick wall and comes out again",
    "goes behind a wall of bricks and reappears",
    "is hidden by a brick wall for a moment",
)
WALLS = ("beside a brick wall", "next to a brick wall", "near a wall of bricks")

FLOOR_PHRASES = {
    "grass": (
        "on grass",
        "on the grass",
        "on green grass",
        "on a lawn",
        "on a meadow",
        "on a grassy field",
        "across a green field",
    ),
    "sand": (
        "on sand",
        "on the sand",
        "in the desert",
        "on a sandy beach",
        "on rippled sand",
        "on sandy ground",
        "across desert sand",
    ),
    "checker": (
        "on a checkered floor",
        "on a checkerboard floor",
        "on a chessboard floor",
        "on black and white tiles",
        "on a checkerboard",
        "across a checkered floor",
    ),
    "snow": (
        "on snow",
        "in the snow",
        "on white snow",
        "on a snowy field",
        "on snowy ground",
        "across a snowy plain",
    ),
    "wood": (
        "on a wooden floor",
        "on wood",
        "on wooden planks",
        "on brown floorboards",
        "on a plank floor",
        "across a wooden floor",
    ),
    "grey": (
        "on a grey floor",
        "on grey concrete",
        "on stone slabs",
        "on gray pavement",
        "on a concrete floor",
        "across grey slabs",
        "on gray tiles",
    ),
}
GROUNDS = {
    "grass": ("green grass", "a grassy meadow", "a soft green lawn"),
    "sand": ("rippled yellow sand", "a sandy desert", "dunes of pale sand"),
    "checker": ("a checkered floor", "black and white tiles", "a checkerboard floor"),
    "snow": ("white snow", "a snowy plain", "a field of fresh snow"),
    "wood": ("brown wooden planks", "a wooden floor", "long brown floorboards"),
    "grey": ("grey concrete slabs", "a grey stone floor", "grey pavement"),
}
SKY_PHRASES = {
    "day": (
        "by day",
        "in daylight",
        "under a blue sky",
        "on a sunny day",
        "under a bright blue sky",
        "in bright daylight",
    ),
    "sunset": (
        "at sunset",
        "at dusk",
        "under an orange sky",
        "in the evening sun",
        "under a sunset sky",
        "in the glow of sunset",
    ),
    "night": (
        "at night",
        "in the moonlight",
        "under a dark sky",
        "under the moon",
        "under a night sky",
        "in the dark of night",
    ),
}
LIGHTS = {
    "day": (
        "The sky is blue with a few soft clouds.",
        "It is a bright clear day with hills on the horizon.",
        "Daylight shines from a blue sky over distant hills.",
        "Bright daylight, soft shadows and pale hills far away.",
    ),
    "sunset": (
        "The sun is setting and the sky glows orange and pink.",
        "It is sunset, with warm light and an orange sky.",
        "A low sun colors the evening sky orange.",
        "Warm evening light, with the setting sun above dark hills.",
    ),
    "night": (
        "It is night and the moon shines.",
        "A pale moon hangs in the dark blue night sky.",
        "The night sky is dark blue, lit by the moon.",
        "Dim moonlight, with dark hills below the night sky.",
    ),
}
CAMERA_SENTENCES = {
    "static": (
        "The camera does not move.",
        "The camera is still.",
        "Static camera.",
        "The shot is static.",
        "A fixed camera watches.",
        "Locked-off shot.",
    ),
    "pan left": (
        "The camera pans left.",
        "The camera pans to the left.",
        "The camera turns to the left.",
        "A slow pan to the left.",
    ),
    "pan right": (
        "The camera pans right.",
        "The camera pans to the right.",
        "The camera turns to the right.",
        "A slow pan to the right.",
    ),
    "zoom in": (
        "The camera zooms in.",
        "The camera slowly zooms in.",
        "A slow zoom in.",
        "The view zooms in closer.",
    ),
    "zoom out": (
        "The camera zooms out.",
        "The camera slowly zooms out.",
        "A slow zoom out.",
        "The view zooms out and widens.",
    ),
    "rise": (
        "The camera rises.",
        "The camera rises up and looks down.",
        "A crane shot: the camera moves up.",
        "The camera lifts slowly upward.",
    ),
    "orbit": (
        "The camera orbits around.",
        "The camera circles around the scene.",
        "An orbiting shot.",
        "The camera moves around in an arc.",
    ),
}
WITH_CAMERA = {
    "static": ("static camera", "fixed camera", "still shot"),
    "pan left": ("camera pans left", "panning left", "pan to the left"),
    "pan right": ("camera pans right", "panning right", "pan to the right"),
    "zoom in": ("camera zooms in", "zooming in", "zoom in"),
    "zoom out": ("camera zooms out", "zooming out", "zoom out"),
    "rise": ("camera rises", "rising camera", "crane shot going up"),
    "orbit": ("camera orbits", "orbiting camera", "camera circles around"),
}
