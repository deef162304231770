"""What the entry point `quant_accuracy` names: `-p no:quant_accuracy` leaves out this, and with it the plugin.

The plugin itself keeps the name of its module, so that a `conftest.py` which lists it does not load it twice.
"""

pytest_plugins = ["quant_accuracy.plugin"]
