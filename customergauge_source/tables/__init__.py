"""Records of JSON become Arrow tables: shaped, put right, named, keyed.

This room knows neither HTTP nor dlt nor CustomerGauge; it would serve another API unchanged.
"""
