"""A graph is completed with what a server's nodes want, however deep they ask."""

from tools.graph import completed


def save(inputs, **wanted):
    """The inputs of a node after a server that wants these has been asked."""
    known = {"Save": {"input": {"required": wanted}}}
    return completed({"1": {"class_type": "Save", "inputs": inputs}}, known)["1"]["inputs"]


CODEC = ["COMFY_DYNAMICCOMBO_V3", {"options": [{"key": "av1", "inputs": {"required": {}}}]}]
FORMAT = {
    "options": [
        {"key": "auto", "inputs": {"required": {}}},
        {"key": "mkv", "inputs": {"required": {"codec": CODEC, "crf": ["INT", {"default": 23}]}}},
    ]
}


def test_a_widget_that_is_lacking_has_its_default_and_a_given_one_stays():
    wanted = {"crf": ["INT", {"default": 23}], "speed": ["INT", {"default": 1}], "video": ["VIDEO"]}
    arguments = {"crf": 5, "video": ["2", 0]}
    assert save(arguments, **wanted) == arguments | {"speed": 1}


def test_a_choice_without_a_default_is_the_first():
    assert save({}, place=[["keyframe", 2]], ext=["COMBO", {"options": ["mp4"]}]) == {
        "place": "keyframe",
        "ext": "mp4",
    }


def test_a_choice_brings_its_own_widgets_and_no_others():
    wanted = {"format": ["COMFY_DYNAMICCOMBO_V3", FORMAT]}
    assert save({}, **wanted) == {"format": "auto"}
    deep = {"format": "mkv", "format.codec": "av1", "format.crf": 23}
    assert save({"format": "mkv"}, **wanted) == deep
    assert save({"format": ["2", 0]}, **wanted) == {"format": ["2", 0]}
