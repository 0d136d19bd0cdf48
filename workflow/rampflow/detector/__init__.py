"""What a frame is: subarray, orientation, IRS2's interleaved rows, stripes, superstripes, flags."""
