import enum


class AimetLogger:
    class LogAreas(enum.Enum):
        Quant = "Quant"
