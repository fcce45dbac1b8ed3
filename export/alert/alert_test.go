package alert

import "time"

// at is when the findings of tests are made.
var at = time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC)
