"""Forecasts of each meter with bands: panel and origins, models, calibration, backtest."""
