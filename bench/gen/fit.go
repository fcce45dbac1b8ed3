package gen

// mostPerDay bounds what Fit asks for where hardly anything happens.
const mostPerDay = 10_000_000

// Fit returns the generator of a corpus of about that many events, also of a
// night or a Sunday: it sets EventsPerDay to what that takes.
func Fit(o Options, events int) (*Generator, error) {
	o = o.withDefaults()
	for range 4 {
		g, err := New(o)
		if err != nil {
			return nil, err
		}
		got := 0
		for range g.Events() {
			got++
		}
		if off := got - events; off > -events/20 && off < events/20 {
			return g, nil
		}
		o.EventsPerDay = max(1, min(int(int64(o.EventsPerDay)*int64(events)/int64(max(1, got))), mostPerDay))
	}
	return New(o)
}
