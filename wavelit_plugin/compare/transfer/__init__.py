"""One model of several data sets, and what it is worth on each: the transfer matrix."""
