"""A strategy played before production plays it: the engines' own decisions in virtual time, over recorded figures."""
