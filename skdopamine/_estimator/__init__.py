"""What both families of estimators share of scikit-learn."""
