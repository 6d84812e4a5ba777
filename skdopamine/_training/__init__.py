"""The perturbation trainer: credit, learning rate, the loop. It knows no estimator."""
