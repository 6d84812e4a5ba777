"""DopamineESNForecaster, of windows, as the model of mlforecast."""

from mlforecast import MLForecast

from skdopamine import DopamineESNForecaster


def mlforecast_esn(n_lags, freq, **params):
    esn = DopamineESNForecaster(**params)
    return MLForecast(models={"esn": esn}, freq=freq, lags=range(n_lags, 0, -1))
