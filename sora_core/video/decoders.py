"""The allowed decoders of FFmpeg: a list of containers alone does not limit decoders.

FFmpeg has hundreds of decoders, and most of its vulnerabilities are in rare ones: a MagicYUV file
of a few bytes writes beyond its memory before 8.1.2 (CVE-2026-8461). `codec_whitelist` limits what
runs while a file is opened; PyAV opens the decoder of a stream without it, so the name is checked
before the first packet is decoded.
"""

VIDEO = frozenset(
    {
        "h264", "hevc", "av1", "libdav1d", "vp8", "vp9", "libvpx", "libvpx-vp9",
        "mpeg1video", "mpeg2video", "mpeg4", "h263", "flv", "mjpeg", "dvvideo", "dnxhd", "prores",
        "ffv1", "qtrle", "png", "gif", "rawvideo", "v210",
    }
)  # fmt: skip

SOUND = frozenset(
    {
        "aac", "aac_latm", "mp3", "mp3float", "mp2", "mp2float", "opus", "libopus", "vorbis",
        "flac", "alac", "ac3", "eac3", "dca", "amrnb", "amrwb", "libopencore_amrnb",
        "libopencore_amrwb", "pcm_alaw", "pcm_mulaw", "pcm_bluray", "pcm_dvd", "pcm_u8", "pcm_s8",
        "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be",
        "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be",
    }
)  # fmt: skip

WHITELIST = ",".join(sorted(VIDEO | SOUND))

VIDEO_FIX = "save it as H.264, H.265, AV1, VP9, ProRes or FFV1"
SOUND_FIX = "save it as AAC, MP3, Opus, FLAC or PCM"
