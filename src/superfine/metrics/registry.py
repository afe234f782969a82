"""The metrics by name: what a table needs to know of each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """How a metric is named, printed and ranked.

    Parameters
    ----------
    name : its key in :data:`METRICS`.
    label : the heading of its column.
    unit : ``dB`` or empty.
    decimals : digits behind the point.
    higher_is_better : which direction is the better one.
    needs : what must be there beside the base installation: ``torch``, ``weights`` (of a network, see
        :mod:`superfine.metrics.weights`), ``ma`` (the scores of Ma et al. 2017, computed elsewhere).
    reference : whether it compares with the original; if not, it looks at the result alone or at the low-resolution picture.
    """

    name: str
    label: str
    unit: str
    decimals: int
    higher_is_better: bool
    needs: frozenset[str] = frozenset()
    reference: bool = True


_NETWORK = frozenset({"torch", "weights"})

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("psnr_y", "PSNR-Y", "dB", 2, True),
        Metric("psnr_rgb", "PSNR-RGB", "dB", 2, True),
        Metric("ssim_y", "SSIM-Y", "", 4, True),
        Metric("ms_ssim_y", "MS-SSIM-Y", "", 4, True),
        Metric("lpips_alex", "LPIPS-Alex", "", 4, False, _NETWORK),
        Metric("lpips_vgg", "LPIPS-VGG", "", 4, False, _NETWORK),
        Metric("lpips_squeeze", "LPIPS-Squeeze", "", 4, False, _NETWORK),
        Metric("vgg_distance", "VGG distance", "", 3, False, _NETWORK),
        Metric("niqe", "NIQE", "", 2, False, reference=False),
        Metric("pi", "PI", "", 2, False, frozenset({"ma"}), reference=False),
        Metric("lr_consistency", "LR-PSNR", "dB", 2, True, reference=False),
    )
}
