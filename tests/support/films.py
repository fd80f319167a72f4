"""Films whose frames are known by their greys, encoded by PyAV in any container."""

import av
import numpy as np
import torch

from sora_core.video.reader import read_frames


def film(path, codec="libx264", *, count=25, times=None, base=None, rate=25, options=None, **form):
    """A file whose frame i is grey of level 8 i, or `level(i)`, shown at times[i] in `base`."""
    level = form.get("level", lambda i: 8 * i % 256)
    with av.open(str(path), "w", options=options or {}) as container:
        fast = {"deadline": "realtime", "cpu-used": "8"} if "vpx" in codec else {}
        stream = container.add_stream(codec, rate=rate, options=form.get("encoder", fast))
        stream.width, stream.height = form.get("width", 64), form.get("height", 48)
        stream.pix_fmt = form.get("pixels", "yuv420p")
        if "aspect" in form:
            stream.codec_context.sample_aspect_ratio = form["aspect"]
        if base is not None:
            stream.time_base = stream.codec_context.time_base = base
        for i in range(count):
            grey = np.full((stream.height, stream.width, 3), level(i), np.uint8)
            frame = av.VideoFrame.from_ndarray(grey).reformat(format=stream.pix_fmt)
            if times is not None:
                frame.pts, frame.time_base = times[i], base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def whole(path, **choice):
    return torch.cat(list(read_frames(path, **choice)))
