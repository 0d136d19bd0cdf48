"""From a configuration and exposures to what runs: headers, chains of steps, the run."""
