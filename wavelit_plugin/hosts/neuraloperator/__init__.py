"""neuraloperator 2.x."""
