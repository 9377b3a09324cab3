"""Import of Caffe's nets, from the prototxt of their layers."""
