package detect

import "testing"

// TestSyntheticFloors holds the floors of the goals on a seed of a quarter of
// the usual size; the whole is the command's business.
func TestSyntheticFloors(t *testing.T) {
	r, err := Synthetic(11, 900)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", *r)
}
