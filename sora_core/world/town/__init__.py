"""A captioned toy town: assemblies that move, meet, change their world and are cut into shots.

The public surface, one module per idea:

- `scene`: `Scene` > `Shot` > (`Stage`, `View`) > `Thing` > `Move`; frozen values, seconds and world
  units; `is_held_out`, `is_held_out_pair`.
- `recipes`: `scene_of(kind, seed, seconds=2.0, held_out=False, **asked)` draws a scene of one of
  `SCENES` on purpose; `sample`: `sample_scene(seed)` draws of any kind, `sample_clip_spec(seed)` a
  scene with a size and a rate for training.
- `render`: `render(scene, size, fps, start)` gives a `Clip`: frames, segments, depth and `Truth`.
- `facts`: `Fact` and `facts_of(scene, seconds)`, all that is true of a scene.
- `captions`: `describe(scene, seed, seconds)` gives `StatedCaption`s: a text and the facts it
  states.
"""
