package detect

import "os"

// examples are the rules that the documentation of rules shows.
var examples = os.DirFS("../rule/testdata/examples")
