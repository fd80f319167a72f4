"""Clauses of a shot: noun phrases, events, places and negations, each with the facts it states."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from numpy.random import Generator

from . import words
from .draw import Choice
from .facts import Fact
from .scene import COLOURS, FLOORS, KINDS, Scene, Thing, is_held_out_pair
from .things import gait

RICH = {"short": 0.25, "medium": 0.55, "long": 0.95, "tags": 0.3}
NEGATED = 0.16
OPPOSITE_SKIES = {
    "day": ("night", "sunset"),
    "cloudy": ("night", "sunset"),
    "dawn": ("night",),
    "sunset": ("night",),
    "night": ("day", "sunset"),
}
"""Skies that nobody would call the first one."""


@dataclass(slots=True)
class Clause:
    """Words, and what they state."""

    text: str
    facts: list[Fact] = field(default_factory=list)


class Talk:
    """Random choices among words."""

    def __init__(self, rng: Generator) -> None:
        self.rng = rng

    def pick(self, choices: Sequence[Choice]) -> Choice:
        return choices[int(self.rng.integers(len(choices)))]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)


class ShotSpeaker:
    """Puts one shot into words, out of its true facts."""

    def __init__(
        self, talk: Talk, scene: Scene, shot: int, facts: list[Fact], seconds: float
    ) -> None:
        self.talk, self.scene, self.shot, self.facts = talk, scene, shot, facts
        self.seconds = seconds
        self.stage = scene.shots[shot].stage
        self.view = scene.shots[shot].view
        self.named: set[int] = set()
        self.rich = 0.5
        subjects = [t for t in self.stage.things if t.identity == scene.subject]
        self.subject = (subjects or list(self.stage.things))[0]

    def true(self, what: str, thing: int | None = None) -> list[Fact]:
        return [f for f in self.facts if f.what == what and thing in (None, f.thing)]

    def speak(self, style: str) -> Clause:
        """The shot in a style: its event, then place, light, camera and what is not there."""
        self.rich = RICH[style]
        if style == "tags":
            return self.tags()
        event = self.event()
        place, light, camera = self.floor(), self.sky(), self.camera()
        share = {"short": (0.7, 0.45, 0.4), "medium": (0.9, 0.75, 0.65), "long": (1, 1, 0.9)}[style]
        chosen = [self.talk.chance(s) for s in share]
        facts, text = list(event.facts), event.text
        extra: list[Clause] = []
        spread = style == "long" and self.talk.chance(0.45)
        if spread:
            ground = self.talk.pick(words.GROUNDS[self.stage.floor])
            extra = [Clause(f"the ground is {ground}", place.facts)]
            if light and not self.true("light") and len(light.facts) == 1:
                scenery = self.talk.pick(words.SCENERY[light.facts[0].value]).rstrip(".")
                extra.append(Clause(scenery, light.facts))
                light = None
        elif chosen[0]:
            text, facts = f"{text} {place.text}", facts + place.facts
        if chosen[1] and light:
            front = self.talk.chance(0.2) and style != "short"
            text = f"{light.text}, {text}" if front else f"{text} {light.text}"
            facts += light.facts
        if style == "long" or (style == "medium" and self.talk.chance(0.5)):
            extra += self.others()
        extra += self.changes()
        if self.talk.chance(NEGATED if style != "long" else 1.6 * NEGATED):
            extra.append(self.negation())
        if chosen[2] and camera:
            extra.append(camera)
        if style == "long":
            parts = [text, *(clause.text for clause in extra)]
            text = ". ".join(part[0].upper() + part[1:] for part in parts)
        else:
            text = ", ".join([text, *(clause.text for clause in extra)])
        return Clause(text, facts + [f for clause in extra for f in clause.facts])

    # Things

    def noun(self, thing: Thing, definite: bool = False) -> Clause:
        """A thing with its article, and how much of its looks the style asks for."""
        talk, k = self.talk, thing.identity
        again = k in self.named
        same = bool(self.true("same", k)) and not again
        self.named.add(k)
        word = talk.pick(words.KIND_NAMES[thing.kind])[0]
        facts = [Fact("kind", thing.kind, k, shot=self.shot)]
        if again and talk.chance(0.6) and self.alone_of(thing):
            return Clause(f"the {word}", facts)
        colour = next(f.value for f in self.facts if f.what == "colour" and f.thing == k)
        facts.append(Fact("colour", colour, k, shot=self.shot))
        name = talk.pick(words.COLOUR_WORDS[colour])
        front, after = [name, word], ""
        if thing.kind in words.DRESSED and talk.chance(0.6):
            after = f" in a {name} {talk.pick(words.DRESSES[thing.kind])}"
            front = [word]
        elif talk.chance(0.06):
            front, after = [word], f" that is {name}"
        elif talk.chance(0.05):
            wrong = self.other(COLOURS, colour)
            front, after = [word], f" that is not {wrong} but {name}"
            facts.append(Fact("colour", wrong, k, shot=self.shot, negated=True))
        if thing.pattern == "striped" and talk.chance(0.35 + 0.6 * self.rich):
            front = ["striped", *front]
            facts.append(Fact("pattern", "striped", k, shot=self.shot))
        share = 0.55 * self.rich * (0.4 if thing.size == "medium" else 1.0)
        if talk.chance(share):
            front = [talk.pick(words.SIZE_PHRASES[thing.size]), *front]
            facts.append(Fact("size", thing.size, k, shot=self.shot))
        phrase = " ".join(front)
        if same and talk.chance(0.7):
            facts.append(Fact("same", "", k, shot=self.shot))
            return Clause(f"the same {phrase}{after}", facts)
        if definite or again:
            return Clause(f"the {phrase}{after}", facts)
        return Clause(f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}{after}", facts)

    def alone_of(self, thing: Thing) -> bool:
        return sum(t.kind == thing.kind for t in self.stage.things) == 1

    def other(self, choices: Sequence[str], but: str) -> str:
        return self.talk.pick([choice for choice in choices if choice != but])

    # Events

    def event(self) -> Clause:
        """What the shot is about, without its place."""
        things = self.stage.things
        kinds = {(t.kind, t.colour) for t in things}
        if len(things) > 1 and len(kinds) == 1:
            return self.plural()
        contacts = self.true("contact")
        if contacts:
            return self.contact(contacts[0])
        if len(things) >= 3 and self.talk.chance(0.6):
            return self.listed()
        relations = [f for f in self.true("relation", self.subject.identity) if self.usable(f)]
        wanted = 0.95 if self.scene.kind in ("relation", "between") else 0.45
        happens = self.happens(self.subject)
        if self.true("visible"):
            return happens
        if relations and self.talk.chance(wanted):
            strong = [f for f in relations if f.value != "near"]
            return self.related(happens, self.talk.pick(strong or relations))
        rest = [thing for thing in things if thing.identity not in self.named]
        if self.seconds and len(rest) == 1 and self.talk.chance(0.45):
            other = self.happens(rest[0])
            link = self.talk.pick(("while", "while", "and"))
            return Clause(f"{happens.text} {link} {other.text}", happens.facts + other.facts)
        return happens

    def usable(self, fact: Fact) -> bool:
        """Whether a relation may be stated: both are in it, and training may show the pair."""
        kinds = {thing.identity: thing.kind for thing in self.stage.things}
        held_out = is_held_out_pair(kinds[fact.thing], fact.value, kinds[fact.other])
        return self.scene.kind == "relation" or not held_out

    def related(self, happens: Clause, fact: Fact) -> Clause:
        """The clause `happens` with the place that `fact` states, relative to another thing."""
        names = {thing.identity: thing for thing in self.stage.things}
        other = self.noun(names[fact.other])
        if fact.value == "between":
            third = self.noun(names[fact.third])
            text = f"{happens.text} between {other.text} and {third.text}"
            return Clause(text, [*happens.facts, *other.facts, *third.facts, fact])
        place = self.talk.pick(words.RELATION_PHRASES[fact.value])
        if self.talk.chance(0.25):
            text = f"{place} {other.text}, {happens.text}"
        else:
            text = f"{happens.text} {place} {other.text}"
        return Clause(text, [*happens.facts, *other.facts, fact])

    def happens(self, thing: Thing) -> Clause:
        """A thing and what it does, in order of time."""
        subject = self.noun(thing)
        if not self.seconds:
            return subject
        visible = self.true("visible", thing.identity)
        if visible and self.talk.chance(0.9):
            does = self.appearance(visible)
            return Clause(f"{subject.text} {does.text}", subject.facts + does.facts)
        motions = self.true("motion", thing.identity)
        if not motions:
            return subject
        if motions[0].value == "still" and self.talk.chance(0.3):
            return Clause(subject.text, subject.facts)
        does = self.motions(thing, motions)
        stroke = self.true("stroke", thing.identity)
        if stroke and self.talk.chance(0.9):
            laid = next(s for s in self.stage.strokes if s.style == stroke[0].value)
            phrase = self.talk.pick(words.STROKE_PHRASES[laid.style]).format(colour=laid.colour)
            does = Clause(f"{does.text}, {phrase}", does.facts + stroke)
        return Clause(f"{subject.text} {does.text}", subject.facts + does.facts)

    def motions(self, thing: Thing, motions: list[Fact]) -> Clause:
        """ "rolls left", "first walks left, then jumps", "is spinning"."""
        talk = self.talk
        groups = [list(g) for _, g in groupby(motions, key=lambda fact: fact.order)]
        progressive = len(groups) == 1 and talk.chance(0.3)
        phrases = []
        for group in groups:
            forms = [self.verb(thing, fact.value) for fact in group]
            phrases.append(" and ".join(f[1] if progressive else f[0] for f in forms))
        if progressive:
            text = phrases[0] if phrases[0].startswith("not ") else f"is {phrases[0]}"
            text = "is not moving" if text == "not moving" else text
        elif len(phrases) == 1:
            text = phrases[0]
        elif len(phrases) == 2:
            form = talk.pick(
                ("first {}, then {}", "{} and then {}", "{}, then {}", "{}; at the end it {}")
            )
            if "stop" not in (fact.value for fact in motions):
                form = talk.pick((form, form, "{} before it {}"))
            text = form.format(*phrases)
        else:
            text = "first " + ", then ".join(phrases[:-1]) + f" and finally {phrases[-1]}"
        return Clause(text, list(motions))

    def verb(self, thing: Thing, name: str) -> words.Forms:
        if name in words.DIRECTION_PHRASES:
            verb = self.talk.pick(words.TRAVEL_PHRASES[gait(thing)])
            direction = self.talk.pick(words.DIRECTION_PHRASES[name])
            return f"{verb[0]} {direction}", f"{verb[1]} {direction}"
        return self.talk.pick(words.MOTION_PHRASES[name])

    def appearance(self, facts: list[Fact]) -> Clause:
        """How a thing goes out of view, or comes into it."""
        talk, verbs = self.talk, [fact.value for fact in facts]
        if "hidden" in verbs:
            return Clause(talk.pick(words.HIDES), facts)
        if "enters" in verbs:
            return Clause(talk.pick(words.ENTERS), facts)
        leaves = talk.pick(words.LEAVES)
        if "returns" in verbs:
            link = talk.pick(("then ", "later ", ""))
            return Clause(f"{leaves} and {link}{talk.pick(words.RETURNS)}", facts)
        if talk.chance(0.5):
            never = replace(facts[0], value="returns", negated=True)
            return Clause(f"{leaves} and does not come back", [*facts, never])
        return Clause(leaves, facts)

    def contact(self, fact: Fact) -> Clause:
        """Active or passive."""
        names = {thing.identity: thing for thing in self.stage.things}
        active, passive = self.talk.pick(words.CONTACT_PHRASES[fact.value])
        first, second = names[fact.thing], names[fact.other]
        if self.talk.chance(0.35):
            target, agent = self.noun(second), self.noun(first)
            text = f"{target.text} is {passive} by {agent.text}"
            return Clause(text, target.facts + agent.facts + [fact])
        agent, target = self.noun(first), self.noun(second)
        text = f"{agent.text} {active} {target.text}"
        clause = Clause(text, agent.facts + target.facts + [fact])
        motions = self.true("motion", fact.thing)
        if motions and self.talk.chance(0.4) and motions[0].value in words.DIRECTION_PHRASES:
            verb = self.verb(first, motions[0].value)[0]
            clause = Clause(
                f"{agent.text} {verb} and {active} {target.text}", clause.facts + motions[:1]
            )
        after = [f for f in self.true("motion", fact.other) if f.value in ("topple", "scatter")]
        if after and self.talk.chance(0.4):
            fall = self.verb(second, after[0].value)[0]
            clause = Clause(f"{clause.text}, which {fall}", clause.facts + after[:1])
        return clause

    def plural(self) -> Clause:
        """ "three red balls", and what they all do."""
        things, talk = self.stage.things, self.talk
        first = things[0]
        self.named |= {thing.identity for thing in things}
        number = talk.pick(words.NUMBERS[len(things)])
        word = talk.pick(words.KIND_NAMES[first.kind])[1]
        colour = talk.pick(words.COLOUR_WORDS[first.colour])
        of = f"{first.colour} {first.kind}"
        facts = [Fact("count", str(len(things)), shot=self.shot, of=of)]
        text = f"{number} {colour} {word}"
        own = [self.true("motion", thing.identity) for thing in things]
        names = [tuple(f.value for f in facts_) for facts_ in own]
        if self.seconds and len(set(names)) == 1 and len(names[0]) == 1:
            if names[0][0] == "still":
                does = talk.pick(("stand still", "are not moving", "rest", ""))
            else:
                does = f"are {self.verb(first, names[0][0])[1]}"
            if does:
                facts += [f for facts_ in own for f in facts_]
                text = f"{text} {does}"
        elif talk.chance(0.3):
            text = talk.pick(("there are {}", "{} side by side")).format(text)
        return Clause(text, facts)

    def listed(self) -> Clause:
        """Three or more things named in a row, the first with what it does."""
        things = list(self.stage.things)
        number = self.talk.pick((len(things), len(things), 3))
        nouns = [self.noun(thing) for thing in things[:number]]
        facts = [f for clause in nouns for f in clause.facts]
        text = ", ".join(n.text for n in nouns[:-1]) + f" and {nouns[-1].text}"
        if self.talk.chance(0.25):
            facts.append(Fact("count", str(len(things)), shot=self.shot, of="thing"))
            total = self.talk.pick(words.NUMBERS[len(things)][:1])
            text = f"{total} things, among them {text}"
        moving = [
            t
            for t in things[:number]
            if any(f.value not in ("still", "stop") for f in self.true("motion", t.identity))
        ]
        if moving and self.seconds:
            chosen = self.talk.pick(moving)
            does = self.motions(chosen, self.true("motion", chosen.identity))
            name = self.noun(chosen, definite=True)
            text = f"{text}; {name.text} {does.text}"
            facts += name.facts + does.facts
        return Clause(text, facts)

    def others(self) -> list[Clause]:
        """Sentences about things not named yet, placed relative to the subject."""
        found = []
        for thing in self.stage.things:
            if thing.identity in self.named:
                continue
            pairs = [
                f
                for f in self.true("relation", thing.identity)
                if f.other == self.subject.identity and f.value != "between" and self.usable(f)
            ]
            noun = self.noun(thing)
            motions = self.true("motion", thing.identity) if self.seconds else []
            if pairs and self.talk.chance(0.7):
                fact = self.talk.pick(pairs)
                place = self.talk.pick(words.RELATION_PHRASES[fact.value])
                base = self.noun(self.subject, definite=True)
                text = self.talk.pick(("{place} {base} is {noun}", "{noun} is {place} {base}"))
                text = text.format(place=place, base=base.text, noun=noun.text)
                found.append(Clause(text, [*noun.facts, *base.facts, fact]))
            elif motions and self.talk.chance(0.6):
                does = self.motions(thing, motions)
                found.append(Clause(f"{noun.text} {does.text}", noun.facts + does.facts))
            else:
                found.append(Clause(f"there is also {noun.text}", noun.facts))
        return found

    def changes(self) -> list[Clause]:
        """Light, lamps and colours that change."""
        talk, found = self.talk, []
        names = {thing.identity: thing for thing in self.stage.things}
        for fact in self.true("light"):
            link = talk.pick(("while", "as", "and"))
            found.append(Clause(f"{link} {talk.pick(words.LIGHTS[fact.value])}", [fact]))
        for fact in self.true("lamp"):
            lamp = self.noun(names[fact.thing], definite=True)
            link = talk.pick(("then ", "at the end ", ""))
            found.append(Clause(f"{link}{lamp.text} {talk.pick(words.LAMPS)}", [*lamp.facts, fact]))
        for fact in self.true("recolour"):
            thing = self.noun(names[fact.thing], definite=True)
            does = talk.pick(words.RECOLOURS).format(
                colour=talk.pick(words.COLOUR_WORDS[fact.value])
            )
            found.append(Clause(f"then {thing.text} {does}", [*thing.facts, fact]))
        if len(self.stage.things) == 1 and talk.chance(0.04):
            found.append(
                Clause("nothing else is there", [Fact("count", "1", shot=self.shot, of="thing")])
            )
        return found

    # Place, light, camera

    def floor(self) -> Clause:
        phrase = self.talk.pick(words.FLOOR_PHRASES[self.stage.floor])
        return Clause(phrase, [Fact("floor", self.stage.floor, shot=self.shot)])

    def sky(self) -> Clause | None:
        """Light and weather when the shot begins; None while the light changes."""
        skies = self.true("sky")
        if not skies:
            return None
        text, facts = self.talk.pick(words.SKY_PHRASES[skies[0].value]), [skies[0]]
        if self.true("light"):
            text = f"{self.talk.pick(('at first', 'in the beginning'))} {text}"
        if self.stage.weather != "dry" and self.talk.chance(0.8):
            text = f"{text} {self.talk.pick(words.WEATHER_PHRASES[self.stage.weather])}"
            facts.append(Fact("weather", self.stage.weather, shot=self.shot))
        return Clause(text, facts)

    def camera(self) -> Clause | None:
        """The camera's motion, angle and framing."""
        parts, facts = [], []
        for fact in self.true("camera"):
            if fact.value != "static" or self.talk.chance(0.5):
                parts.append(self.talk.pick(words.CAMERA_PHRASES[fact.value]))
                facts.append(fact)
        if self.view.angle != "front" and self.talk.chance(0.85):
            parts.append(f"seen {self.talk.pick(words.ANGLE_PHRASES[self.view.angle])}")
            facts += self.true("angle")
        if self.view.framing != "medium" and self.talk.chance(0.7):
            parts.append(self.talk.pick(words.FRAMING_PHRASES[self.view.framing]))
            facts += self.true("framing")
        return Clause(", ".join(parts), facts) if parts else None

    def negation(self) -> Clause:
        """Something that is not so."""
        talk, stage = self.talk, self.stage
        present = {thing.kind for thing in stage.things}
        choices = ["kind", "floor", "sky"] + (["camera", "motion"] if self.seconds >= 0.5 else [])
        match talk.pick(choices):
            case "floor":
                wrong = self.other(FLOORS, stage.floor)
                text = f"{talk.pick(('no', 'without any'))} {talk.pick(words.FLOOR_NAMES[wrong])}"
                return Clause(text, [Fact("floor", wrong, shot=self.shot, negated=True)])
            case "sky" if self.true("sky") and not self.true("light"):
                wrong = talk.pick(OPPOSITE_SKIES[self.true("sky")[0].value])
                text = talk.pick(("it is not {}", "not at {}")).format(wrong)
                text = text.replace("at day", "by day")
                return Clause(text, [Fact("sky", wrong, shot=self.shot, negated=True)])
            case "camera" if self.view.camera == "static":
                text = talk.pick(("no camera movement", "without moving the camera"))
                return Clause(text, [Fact("camera", "moving", shot=self.shot, negated=True)])
            case "motion" if not any(m.verb in ("bounce", "jump") for m in self.subject.moves):
                fact = Fact("motion", "bounce", self.subject.identity, shot=self.shot, negated=True)
                if self.subject.motions == ("still",):
                    fact = replace(fact, value=talk.pick(("bounce", "spin", "left")))
                    verb = self.verb(self.subject, fact.value)[1]
                    return Clause(f"{self.noun(self.subject, True).text} is not {verb}", [fact])
        wrong = talk.pick([kind for kind in KINDS if kind not in present])
        word = talk.pick(words.KIND_NAMES[wrong])[1]
        text = talk.pick(("no {}", "without {}", "there are no {}")).format(word)
        return Clause(text, [Fact("kind", wrong, shot=self.shot, negated=True)])

    def tags(self) -> Clause:
        """ "red ball, rolling left, grass, night, static shot"."""
        talk, parts, facts = self.talk, [], []
        kinds = {(t.kind, t.colour) for t in self.stage.things}
        if len(self.stage.things) > 1 and len(kinds) == 1:
            first = self.plural()
            parts.append(first.text)
            facts += first.facts
        else:
            for thing in self.stage.things[:3]:
                noun = self.noun(thing)
                parts.append(noun.text.removeprefix("an ").removeprefix("a "))
                facts += noun.facts
                motions = self.true("motion", thing.identity) if self.seconds else []
                if motions and motions[0].value != "still" and len(motions) == 1:
                    parts.append(self.verb(thing, motions[0].value)[1])
                    facts += motions
        for name, clause in (("floor", self.floor()), ("sky", self.sky())):
            if clause and talk.chance(0.8):
                names = words.FLOOR_NAMES if name == "floor" else words.SKY_NAMES
                parts.append(talk.pick(names[clause.facts[0].value]))
                facts += clause.facts[:1]
        for clause in self.changes():
            parts.append(clause.text)
            facts += clause.facts
        camera = self.camera()
        if camera and talk.chance(0.5):
            parts.append(camera.text)
            facts += camera.facts
        return Clause(", ".join(parts), facts)
