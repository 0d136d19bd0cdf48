"""One module per step, by its name: it takes the functions of `rampflow.steps` over an exposure."""
