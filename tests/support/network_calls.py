"""A latent sampled by the pack's nodes, with a record of each call of the network."""

from sora_nodes.nodes.sampling import SoraGuider, SoraNoise, SoraSample


def sampled(model, words, latent, sigmas, record, **settings):
    """The result, and `record(args, named)` of each call; `words` are positive and negative."""
    calls = []
    hook = model.model.diffusion_model.register_forward_pre_hook(
        lambda module, args, named: calls.append(record(args, named)), with_kwargs=True
    )
    try:
        guider = SoraGuider.execute(model, *words, 1.0, 0.0, 1.0, 0.0, latent, **settings).args[0]
        noise = SoraNoise.execute(3).args[0]
        result = SoraSample.execute(noise, guider, sigmas, latent, "euler").args[0]["samples"]
    finally:
        hook.remove()
    return result, calls
