"""NF4 written here equals that of bitsandbytes, and what is lost stays within half a gap."""

import pytest
import torch
from bitsandbytes.functional import dequantize_4bit, get_4bit_type, quantize_4bit

from shared.four_bits import EIGHT_BITS, NF4, from_blocks, normal_float, quantize_blocks


def test_the_values_are_those_of_bitsandbytes():
    assert torch.allclose(NF4, get_4bit_type("nf4", device="cpu"), atol=1e-6)
    assert torch.equal(normal_float(), NF4) and len(NF4) == 16 and NF4[7] == 0
    assert len(EIGHT_BITS) == 255 and EIGHT_BITS[127] == 0


@pytest.mark.parametrize("spread", [1e-3, 0.02, 5.0])
def test_a_matrix_comes_back_as_from_bitsandbytes(spread):
    torch.manual_seed(3)
    matrix = torch.randn(32, 64) * spread
    places, scales = quantize_blocks(matrix.flatten(), NF4, 64)
    packed, state = quantize_4bit(matrix, quant_type="nf4")
    assert torch.allclose(scales, state.absmax)
    both = torch.stack([packed >> 4, packed & 15], dim=-1).flatten()
    # a number in the middle between two values may fall to either
    assert (places == both).float().mean() > 0.999
    back = from_blocks(places, scales, NF4).reshape_as(matrix)
    near = torch.isclose(back, dequantize_4bit(packed, state), atol=1e-6 * spread)
    assert near.float().mean() > 0.999


def test_each_number_goes_to_the_nearest_value():
    torch.manual_seed(4)
    numbers = torch.randn(64)
    places, scales = quantize_blocks(numbers, NF4, 16)
    table = scales.repeat_interleave(16)[:, None] * NF4
    assert torch.equal(places, (table - numbers[:, None]).abs().argmin(dim=1))
    assert torch.equal(from_blocks(places, scales, NF4), table.gather(1, places[:, None])[:, 0])


def test_eight_bits_lose_half_a_step_and_zeros_stay_zero():
    torch.manual_seed(5)
    scales = torch.rand(512)
    back = from_blocks(*quantize_blocks(scales, EIGHT_BITS, 256), EIGHT_BITS)
    assert ((back - scales).abs() <= 1 / 254 + 1e-6).all()
    places, scale = quantize_blocks(torch.zeros(8), NF4, 4)
    assert torch.equal(from_blocks(places, scale, NF4), torch.zeros(8))


def test_a_block_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="10 numbers cannot be cut into blocks of 4"):
        quantize_blocks(torch.ones(10), NF4, 4)
