"""Forecast the Lorenz system on the closed loop: an echo-state network as it comes, and one that has tuned its gains.

Prints how long the forecasts of ten unseen starts stay close to the truth, in Lyapunov times (the time in which a small
error grows by a factor of e), the trace of the tuning, and the width of the intervals.

    python examples/forecast_lorenz.py
"""

import time

import numpy as np

from skdopamine import DopamineESNForecaster
from skdopamine.datasets import make_lorenz

LYAPUNOV_STEPS = 1 / (0.9056 * 0.02)  # rows in one Lyapunov time
N_TRAIN, N_STARTS, N_READ, N_STEPS = 4100, 10, 200, 900
TOLERANCE = 0.4  # in units of the spread of the series


def valid_times(esn: DopamineESNForecaster, series: np.ndarray) -> np.ndarray:
    """Lyapunov times (starts,) for which each forecast stays within the tolerance."""
    spread = np.sqrt(series.var(axis=0).sum())
    times = []
    for start in np.linspace(N_TRAIN, len(series) - N_READ - N_STEPS, N_STARTS).astype(int):
        begin = start + N_READ
        path = esn.forecast(N_STEPS, series[start:begin])
        error = np.linalg.norm(path - series[begin : begin + N_STEPS], axis=1) / spread
        lost = np.flatnonzero(error > TOLERANCE)
        times.append((lost[0] if len(lost) else N_STEPS) / LYAPUNOV_STEPS)
    return np.array(times)


def main() -> None:
    series = make_lorenz(N_TRAIN + 4000, random_state=0)
    models = {
        "ridge alone": DopamineESNForecaster(stateful=True, trainable=(), random_state=0),
        "tuned gains": DopamineESNForecaster(stateful=True, random_state=0),
    }
    print(f"{'':12} {'mean valid time':>16} {'worst start':>12} {'fit seconds':>12}")
    for name, esn in models.items():
        begin = time.perf_counter()
        esn.fit(series[:N_TRAIN])
        seconds = time.perf_counter() - begin
        times = valid_times(esn, series)
        print(f"{name:12} {times.mean():16.2f} {times.min():12.2f} {seconds:12.2f}")

    print(f"\n{'update':>8} {'loss':>10} {'RPE':>10} {'learning rate':>14}")
    traces = zip(esn.loss_curve_, esn.reward_prediction_error_curve_, esn.learning_rate_curve_, strict=True)
    for update, (loss, error, rate) in enumerate(traces, start=1):
        print(f"{update:8d} {loss:10.3f} {error:+10.3f} {rate:14.3f}")

    print("\ngains: " + ", ".join(f"{name} {value:.2g}" for name, value in esn.gains_.items()))
    low, high = esn.forecast_interval(700)
    for step in (100, 400, 700):
        print(f"90 % interval of x after {step} steps: {low[step - 1, 0]:.2f} to {high[step - 1, 0]:.2f}")


if __name__ == "__main__":
    main()
