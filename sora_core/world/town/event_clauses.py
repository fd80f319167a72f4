"""Clauses about the things of a shot: their motions, contacts and relations."""

from dataclasses import replace

from . import words
from .clauses import Clause, ShotWords
from .facts import Fact
from .scene import TownThing, is_held_out_pair


def event_clause(shot: ShotWords) -> Clause:
    """The main event of the shot, without its place."""
    things = shot.stage.things
    kinds = {(t.kind, t.colour) for t in things}
    if len(things) > 1 and len(kinds) == 1:
        return plural_clause(shot)
    contacts = shot.true("contact")
    if contacts:
        return contact_clause(shot, contacts[0])
    if len(things) >= 3 and shot.talk.chance(0.6):
        return list_clause(shot)
    relations = [f for f in shot.true("relation", shot.subject.identity) if may_state(shot, f)]
    wanted = 0.95 if shot.scene.kind in ("relation", "between") else 0.45
    happens = action_clause(shot, shot.subject)
    if shot.true("visible"):
        return happens
    if relations and shot.talk.chance(wanted):
        strong = [f for f in relations if f.value != "near"]
        return relation_clause(shot, happens, shot.talk.pick(strong or relations))
    rest = [thing for thing in things if thing.identity not in shot.named]
    if shot.seconds and len(rest) == 1 and shot.talk.chance(0.45):
        other = action_clause(shot, rest[0])
        link = shot.talk.pick(("while", "while", "and"))
        return Clause(f"{happens.text} {link} {other.text}", happens.facts + other.facts)
    return happens


def may_state(shot: ShotWords, fact: Fact) -> bool:
    """Whether a relation may be stated: it does not form a held-out pair in another recipe."""
    kinds = {thing.identity: thing.kind for thing in shot.stage.things}
    held_out = is_held_out_pair(kinds[fact.thing], fact.value, kinds[fact.other])
    return shot.scene.kind == "relation" or not held_out


def relation_clause(shot: ShotWords, happens: Clause, fact: Fact) -> Clause:
    """The clause `happens` with the place that `fact` states, relative to another thing."""
    names = {thing.identity: thing for thing in shot.stage.things}
    other = shot.noun(names[fact.other])
    if fact.value == "between":
        third = shot.noun(names[fact.third])
        text = f"{happens.text} between {other.text} and {third.text}"
        return Clause(text, [*happens.facts, *other.facts, *third.facts, fact])
    place = shot.talk.pick(words.RELATION_PHRASES[fact.value])
    if shot.talk.chance(0.25):
        text = f"{place} {other.text}, {happens.text}"
    else:
        text = f"{happens.text} {place} {other.text}"
    return Clause(text, [*happens.facts, *other.facts, fact])


def action_clause(shot: ShotWords, thing: TownThing) -> Clause:
    """A thing and what it does, in order of time."""
    subject = shot.noun(thing)
    if not shot.seconds:
        return subject
    visible = shot.true("visible", thing.identity)
    if visible and shot.talk.chance(0.9):
        does = passage_clause(shot, visible)
        return Clause(f"{subject.text} {does.text}", subject.facts + does.facts)
    motions = shot.true("motion", thing.identity)
    if not motions:
        return subject
    if motions[0].value == "still" and shot.talk.chance(0.3):
        return Clause(subject.text, subject.facts)
    does = shot.motions(thing, motions)
    stroke = shot.true("stroke", thing.identity)
    if stroke and shot.talk.chance(0.9):
        laid = next(s for s in shot.stage.strokes if s.style == stroke[0].value)
        phrase = shot.talk.pick(words.STROKE_PHRASES[laid.style]).format(colour=laid.colour)
        does = Clause(f"{does.text}, {phrase}", does.facts + stroke)
    return Clause(f"{subject.text} {does.text}", subject.facts + does.facts)


def passage_clause(shot: ShotWords, facts: list[Fact]) -> Clause:
    """How a thing leaves the view, or enters it."""
    talk, verbs = shot.talk, [fact.value for fact in facts]
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


def contact_clause(shot: ShotWords, fact: Fact) -> Clause:
    """A contact of two things, in the active or the passive voice."""
    names = {thing.identity: thing for thing in shot.stage.things}
    active, passive = shot.talk.pick(words.CONTACT_PHRASES[fact.value])
    first, second = names[fact.thing], names[fact.other]
    if shot.talk.chance(0.35):
        target, agent = shot.noun(second), shot.noun(first)
        text = f"{target.text} is {passive} by {agent.text}"
        return Clause(text, target.facts + agent.facts + [fact])
    agent, target = shot.noun(first), shot.noun(second)
    text = f"{agent.text} {active} {target.text}"
    clause = Clause(text, agent.facts + target.facts + [fact])
    motions = shot.true("motion", fact.thing)
    if motions and shot.talk.chance(0.4) and motions[0].value in words.DIRECTION_PHRASES:
        verb = shot.verb(first, motions[0].value)[0]
        clause = Clause(
            f"{agent.text} {verb} and {active} {target.text}", clause.facts + motions[:1]
        )
    after = [f for f in shot.true("motion", fact.other) if f.value in ("topple", "scatter")]
    if after and shot.talk.chance(0.4):
        fall = shot.verb(second, after[0].value)[0]
        clause = Clause(f"{clause.text}, which {fall}", clause.facts + after[:1])
    return clause


def plural_clause(shot: ShotWords) -> Clause:
    """ "three red balls", and the motion that all of them share."""
    things, talk = shot.stage.things, shot.talk
    first = things[0]
    shot.named |= {thing.identity for thing in things}
    number = talk.pick(words.NUMBERS[len(things)])
    word = talk.pick(words.KIND_NAMES[first.kind])[1]
    colour = talk.pick(words.TOWN_COLOUR_WORDS[first.colour])
    of = f"{first.colour} {first.kind}"
    facts = [Fact("count", str(len(things)), shot=shot.index, of=of)]
    text = f"{number} {colour} {word}"
    own = [shot.true("motion", thing.identity) for thing in things]
    names = [tuple(f.value for f in facts_) for facts_ in own]
    if shot.seconds and len(set(names)) == 1 and len(names[0]) == 1:
        if names[0][0] == "still":
            does = talk.pick(("stand still", "are not moving", "rest", ""))
        else:
            does = f"are {shot.verb(first, names[0][0])[1]}"
        if does:
            facts += [f for facts_ in own for f in facts_]
            text = f"{text} {does}"
    elif talk.chance(0.3):
        text = talk.pick(("there are {}", "{} side by side")).format(text)
    return Clause(text, facts)


def list_clause(shot: ShotWords) -> Clause:
    """Three or more things in a list, and the motion of one of them."""
    things = list(shot.stage.things)
    number = shot.talk.pick((len(things), len(things), 3))
    nouns = [shot.noun(thing) for thing in things[:number]]
    facts = [f for clause in nouns for f in clause.facts]
    text = ", ".join(n.text for n in nouns[:-1]) + f" and {nouns[-1].text}"
    if shot.talk.chance(0.25):
        facts.append(Fact("count", str(len(things)), shot=shot.index, of="thing"))
        total = shot.talk.pick(words.NUMBERS[len(things)][:1])
        text = f"{total} things, among them {text}"
    moving = [
        t
        for t in things[:number]
        if any(f.value not in ("still", "stop") for f in shot.true("motion", t.identity))
    ]
    if moving and shot.seconds:
        chosen = shot.talk.pick(moving)
        does = shot.motions(chosen, shot.true("motion", chosen.identity))
        name = shot.noun(chosen, definite=True)
        text = f"{text}; {name.text} {does.text}"
        facts += name.facts + does.facts
    return Clause(text, facts)


def other_things(shot: ShotWords) -> list[Clause]:
    """Sentences about things not named yet, placed relative to the subject."""
    found = []
    for thing in shot.stage.things:
        if thing.identity in shot.named:
            continue
        pairs = [
            f
            for f in shot.true("relation", thing.identity)
            if f.other == shot.subject.identity and f.value != "between" and may_state(shot, f)
        ]
        noun = shot.noun(thing)
        motions = shot.true("motion", thing.identity) if shot.seconds else []
        if pairs and shot.talk.chance(0.7):
            fact = shot.talk.pick(pairs)
            place = shot.talk.pick(words.RELATION_PHRASES[fact.value])
            base = shot.noun(shot.subject, definite=True)
            text = shot.talk.pick(("{place} {base} is {noun}", "{noun} is {place} {base}"))
            text = text.format(place=place, base=base.text, noun=noun.text)
            found.append(Clause(text, [*noun.facts, *base.facts, fact]))
        elif motions and shot.talk.chance(0.6):
            does = shot.motions(thing, motions)
            found.append(Clause(f"{noun.text} {does.text}", noun.facts + does.facts))
        else:
            found.append(Clause(f"there is also {noun.text}", noun.facts))
    return found
