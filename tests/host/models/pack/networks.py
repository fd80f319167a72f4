"""Settings of tiny networks, for these models and for the tests of nodes without a server."""

HUNYUAN = {
    "context_in_dim": 64,
    "hidden_size": 128,
    "mlp_ratio": 4.0,
    "num_heads": 1,
    "depth": 1,
    "depth_single_blocks": 1,
    "axes_dim": [16, 56, 56],
    "theta": 256,
    "qkv_bias": True,
    "vision_in_dim": None,
}
LTX_2 = {
    "num_attention_heads": 2,
    "attention_head_dim": 32,
    "audio_num_attention_heads": 2,
    "audio_attention_head_dim": 32,
    "cross_attention_dim": 64,
    "audio_cross_attention_dim": 64,
    "caption_channels": 64,
    "num_layers": 1,
}
