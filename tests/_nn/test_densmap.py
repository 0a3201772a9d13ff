"""Free positions and their optimizer, against plain numpy."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT

import numpy as np
import torch

from celltyping._nn._densmap import FreePositions, RowAdam


def test_a_step_has_the_same_scale_in_all_coordinates_of_a_sample():
    positions = torch.nn.Parameter(torch.zeros(2, 2, dtype=torch.float64))
    optimizer = RowAdam([positions], lr=0.1)
    slopes = np.array([[3.0, -4.0], [1e-3, 0.0]])
    positions.grad = torch.tensor(slopes)
    optimizer.step()
    sizes = np.sqrt(np.square(slopes).mean(axis=1, keepdims=True))
    np.testing.assert_allclose(positions.detach(), -0.1 * slopes / sizes, rtol=1e-4)


def test_free_positions_are_learnt_apart_from_where_they_start():
    start = torch.arange(6.0).reshape(3, 2)
    module = FreePositions(start)
    rows = torch.tensor([2, 0, 2])
    assert torch.equal(module(rows), start[rows])
    with torch.no_grad():
        module.positions += 1
    assert torch.equal(start, torch.arange(6.0).reshape(3, 2))
