"""`python -m keras_rbm`: the command."""

import sys

from keras_rbm.jobs.cli import main

if __name__ == "__main__":
    sys.exit(main())
