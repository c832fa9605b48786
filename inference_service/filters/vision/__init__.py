"""Parts that several filters share: networks of torchvision, their weights, and drawing."""
