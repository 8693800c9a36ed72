"""Mistakes in analysis templates that show only on the day of a bad release: found beforehand, from the text and from figures.

conditions   always or never true: whatever is measured, the verdict is the same
units        milliseconds against seconds, a ratio against percent
timing       too few measurements before it is over, a run that never ends, a rate over too short a window
figures      what a recording knows: no data, values a thousand times the threshold
"""
