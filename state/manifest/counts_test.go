package manifest

import (
	"reflect"
	"testing"
)

// TestCountsAddEveryMember fails when a member is added to Counts and not to
// its arithmetic.
func TestCountsAddEveryMember(t *testing.T) {
	var a, b Counts
	for i := range reflect.TypeFor[Counts]().NumField() {
		reflect.ValueOf(&a).Elem().Field(i).SetInt(int64(i + 1))
		reflect.ValueOf(&b).Elem().Field(i).SetInt(int64(100 * (i + 1)))
	}
	sum := a.Plus(b)
	for i := range reflect.TypeFor[Counts]().NumField() {
		if got, want := reflect.ValueOf(sum).Field(i).Int(), int64(101*(i+1)); got != want {
			t.Errorf("%s: %d, want %d", reflect.TypeFor[Counts]().Field(i).Name, got, want)
		}
	}
	if got := sum.Minus(b); got != a {
		t.Errorf("a+b-b is %+v, want %+v", got, a)
	}
}
