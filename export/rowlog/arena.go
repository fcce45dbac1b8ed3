package rowlog

// Arena hands out pointers to scalars, many to one allocation, for the
// NULL-able fields of rows. The zero value is ready. It belongs to one
// goroutine; pointers stay valid for as long as they are held, unless Reset
// takes their room back.
type Arena struct {
	strings []string
	ints    []int64
	doubles []float64
	falsy   *bool
	truthy  *bool
}

// arenaChunk is 4 KiB of strings: a row of events has about 30 of them.
const arenaChunk = 256

// String returns a pointer to s.
func (a *Arena) String(s string) *string {
	if len(a.strings) == cap(a.strings) {
		a.strings = make([]string, 0, arenaChunk)
	}
	a.strings = append(a.strings, s)
	return &a.strings[len(a.strings)-1]
}

// Int64 returns a pointer to v.
func (a *Arena) Int64(v int64) *int64 {
	if len(a.ints) == cap(a.ints) {
		a.ints = make([]int64, 0, arenaChunk)
	}
	a.ints = append(a.ints, v)
	return &a.ints[len(a.ints)-1]
}

// Double returns a pointer to v.
func (a *Arena) Double(v float64) *float64 {
	if len(a.doubles) == cap(a.doubles) {
		a.doubles = make([]float64, 0, arenaChunk)
	}
	a.doubles = append(a.doubles, v)
	return &a.doubles[len(a.doubles)-1]
}

// Bool returns a pointer to v. All equal values share one.
func (a *Arena) Bool(v bool) *bool {
	if a.truthy == nil {
		f, t := false, true
		a.falsy, a.truthy = &f, &t
	}
	if v {
		return a.truthy
	}
	return a.falsy
}

// Reset makes the room of the newest chunks free for the next rows. Pointers
// handed out before must no longer be used.
func (a *Arena) Reset() {
	clear(a.strings)
	a.strings, a.ints, a.doubles = a.strings[:0], a.ints[:0], a.doubles[:0]
}
