"""What is minimised: losses, metrics, scorers. It knows no estimator."""
