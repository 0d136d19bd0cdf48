"""Parameters of the search for jumps that its tests share."""

# gain 1 and read noise 10: in a ramp without signal sigma is 10 and the limit of 4 sigma is 40.
PARAMETERS = {
    "nframes": 1,
    "tgroup": 10.0,
    "median_gain": 1.0,
    "rejection_threshold": 4.0,
    "three_group_rejection_threshold": 6.0,
    "four_group_rejection_threshold": 5.0,
    "flag_4_neighbors": False,
    "max_jump_to_flag_neighbors": 1000.0,
    "min_jump_to_flag_neighbors": 10.0,
    "after_jump_flag_dn1": 0.0,
    "after_jump_flag_time1": 0.0,
    "after_jump_flag_dn2": 0.0,
    "after_jump_flag_time2": 0.0,
    "only_use_ints": True,
}
