"""Training, adaptation and detection of novel types of ItClustClassifier."""

# Authors: the celltyping developers
# SPDX-License-Identifier: MIT
