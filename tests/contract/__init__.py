"""What every adapter promises: one suite, and for each adapter a harness that tells what is seen there."""
