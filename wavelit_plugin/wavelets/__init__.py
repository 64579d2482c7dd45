"""The discrete wavelet transform in one, two and three dimensions: pure functions of tensors."""

from wavelit_plugin.wavelets.coefficients import WaveletCoefficients
from wavelit_plugin.wavelets.filters import check_wavelet, wavelet_names
from wavelit_plugin.wavelets.interchange import from_pytorch_wavelets, to_pytorch_wavelets
from wavelit_plugin.wavelets.padding import padded_size
from wavelit_plugin.wavelets.transform import dwt, idwt

__all__ = [
    "WaveletCoefficients",
    "check_wavelet",
    "dwt",
    "from_pytorch_wavelets",
    "idwt",
    "padded_size",
    "to_pytorch_wavelets",
    "wavelet_names",
]
