"""What the integration tests stand on: places to run in, the emulator, the programs, the search for leaks."""
