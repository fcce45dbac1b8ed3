package detect

import (
	"math"
	"math/rand/v2"
)

// Generated activity: what principals do per window of five minutes over five
// weeks, with the rhythms that make a fixed threshold useless, and in some of
// it an attack. All of it follows from the seed.

const (
	synthDays    = 35
	synthTest    = 21 // first day that is judged
	dayWindows   = 288
	hourWindows  = 12
	synthWindows = synthDays * dayWindows
	synthEpoch   = 1767571200 // Monday 2026-01-05 00:00 UTC
	synthFirst   = synthEpoch / 300
)

// kind is a sort of principal.
type kind uint8

const (
	human kind = iota
	steady
	cron
	busy
)

// attack is a sort of injection.
type attack uint8

const (
	burst5  attack = iota // one window of five times the active mean, at least 12
	burst20               // of twenty times, at least 40
	triple                // three times the active mean for two hours
	night                 // an hour of work at three o'clock local time
	scan                  // ten more per window for half an hour
	attacks
)

var attackNames = [attacks]string{"burst_5", "burst_20", "triple_2h", "off_hours", "scan"}

// synthKey is one principal.
type synthKey struct {
	kind   kind
	zone   int // hours from UTC
	scale  float64
	shape  float64
	born   int // first window
	counts []uint32
	attack attack
	from   int // windows of the attack; from == to: none
	to     int
}

// habits are what the generator assumes of its principals beyond the shape of
// their activity.
type habits struct {
	night   float64 // sessions that people begin per window outside of working hours
	session float64 // mean windows of a session after its first
	drift   float64 // of what busy services do, in the log, per window
}

var usual = habits{night: 2e-5, session: 8, drift: 0.08}

// newKey makes a principal and all it does.
func newKey(rng *rand.Rand, h habits) *synthKey {
	k := &synthKey{counts: make([]uint32, synthWindows), scale: math.Exp(0.5 + 1.2*rng.NormFloat64())}
	if rng.Float64() < 0.2 {
		k.born = rng.IntN(28 * dayWindows)
	}
	switch p := rng.Float64(); {
	case p < 0.50:
		k.live(rng, h)
	case p < 0.75:
		k.kind = steady
		for t := k.born; t < synthWindows; t++ {
			k.counts[t] = poisson(rng, k.scale*gamma(rng, 4)/4)
		}
	case p < 0.92:
		k.schedule(rng)
	default:
		k.work(rng, h)
	}
	k.inject(rng)
	return k
}

// live is a person: sessions in working hours, and rarely outside of them.
func (k *synthKey) live(rng *rand.Rand, h habits) {
	k.zone = [...]int{0, -5, -8, 1, 9}[rng.IntN(5)]
	k.shape = 0.3 + rng.Float64()
	session := 0
	for t := k.born; t < synthWindows; t++ {
		p := h.night
		if hour, weekend := k.local(t); !weekend && hour >= 9 && hour < 18 {
			p = 0.06
		}
		if session == 0 && rng.Float64() < p {
			session = 1 + int(h.session*rng.ExpFloat64())
		}
		if session > 0 {
			session--
			k.counts[t] = k.sessionCount(rng)
		}
	}
}

func (k *synthKey) sessionCount(rng *rand.Rand) uint32 {
	return poisson(rng, 2*k.scale*gamma(rng, k.shape)/k.shape)
}

// local is the hour of day of a window where the principal lives.
func (k *synthKey) local(t int) (hour int, weekend bool) {
	h := t/hourWindows + k.zone + 7*24 // epoch is a Monday
	return h % 24, h/24%7 >= 5
}

// schedule is a job that runs every so often.
func (k *synthKey) schedule(rng *rand.Rand) {
	k.kind = cron
	every := [...]int{12, 72, 288, 2016}[rng.IntN(4)]
	phase, length, height := rng.IntN(every), 1+rng.IntN(4), 5+40*rng.Float64()
	for t := k.born; t < synthWindows; t++ {
		mean := 0.02 * k.scale
		if (t+phase)%every < length {
			mean = height * k.scale
		}
		k.counts[t] = poisson(rng, mean)
	}
}

// work is a service that is always busy, with the rhythm of a day.
func (k *synthKey) work(rng *rand.Rand, h habits) {
	k.kind = busy
	phase, drift := rng.Float64()*2*math.Pi, 0.0
	for t := range synthWindows {
		drift = 0.97*drift + h.drift*rng.NormFloat64()
		mean := 40 * k.scale * math.Exp(drift) * (1 + 0.6*math.Sin(2*math.Pi*float64(t)/dayWindows+phase))
		if _, weekend := k.local(t); weekend {
			mean /= 2
		}
		if t >= k.born {
			k.counts[t] = poisson(rng, mean)
		}
	}
}

// inject puts one attack into some of the principals that are known for a
// week when the judgement begins.
func (k *synthKey) inject(rng *rand.Rand) {
	if k.born > (synthTest-7)*dayWindows || rng.Float64() >= 0.35 {
		return
	}
	k.attack = attack(rng.IntN(int(attacks)))
	if k.attack == night && k.kind != human {
		k.attack = scan
	}
	mean := k.activeMean()
	if mean == 0 {
		return
	}
	k.from = synthTest*dayWindows + rng.IntN((synthDays-synthTest-1)*dayWindows)
	switch k.attack {
	case burst5:
		k.add(1, func() uint32 { return uint32(max(12, 5*mean)) })
	case burst20:
		k.add(1, func() uint32 { return uint32(max(40, 20*mean)) })
	case triple:
		k.add(2*hourWindows, func() uint32 { return poisson(rng, 3*mean) })
	case scan:
		k.add(hourWindows/2, func() uint32 { return 10 })
	case night:
		for hour, _ := k.local(k.from); hour != 3; hour, _ = k.local(k.from) {
			k.from += hourWindows
		}
		k.from -= k.from % hourWindows
		k.add(hourWindows, func() uint32 { return k.sessionCount(rng) })
	}
}

func (k *synthKey) add(windows int, count func() uint32) {
	k.to = min(k.from+windows, synthWindows)
	for t := k.from; t < k.to; t++ {
		k.counts[t] += count()
	}
}

// activeMean is the mean count of the windows before the judgement in which
// something happened.
func (k *synthKey) activeMean() float64 {
	sum, n := 0.0, 0.0
	for _, y := range k.counts[:synthTest*dayWindows] {
		if y > 0 {
			sum += float64(y)
			n++
		}
	}
	return sum / max(1, n)
}

// poisson draws from a Poisson distribution: by products of uniform numbers
// for a small mean, by the normal approximation for a large one.
func poisson(rng *rand.Rand, mean float64) uint32 {
	if mean > 60 {
		return uint32(max(0, math.Round(mean+math.Sqrt(mean)*rng.NormFloat64())))
	}
	limit, p, n := math.Exp(-mean), 1.0, uint32(0)
	for {
		if p *= rng.Float64(); p <= limit {
			return n
		}
		n++
	}
}

// gamma draws from a gamma distribution of scale 1 (Marsaglia and Tsang 2000).
func gamma(rng *rand.Rand, shape float64) float64 {
	if shape < 1 {
		return gamma(rng, shape+1) * math.Pow(rng.Float64(), 1/shape)
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := rng.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(rng.Float64()) < 0.5*x*x+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}
