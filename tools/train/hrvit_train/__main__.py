"""`python -m hrvit_train`."""

import sys

from hrvit_train.cli import main

sys.exit(main())
