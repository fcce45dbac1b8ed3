package baseline

import (
	"encoding/binary"
	"fmt"
	"math"
)

// StateBytes is the size of an encoded State: three cache lines.
const StateBytes = 192

// State is all that the count model knows of a key. Its encoding is
// little-endian, in the order of the fields; another order, meaning or size is
// another format.
type State struct {
	First, Last Window // first and last active window
	Cool        Window // end of the cool-down after an episode; 0: none
	Active      uint32 // number of active windows

	Short Tail // of the window count
	Long  Tail // of the sum over twelve windows
	Off   Tail // of how unusual the hour is

	// Raw moments of window count and long sum, empty windows included. The
	// second moment is kept and not the variance, because it decays exactly
	// under a gap of empty windows.
	MS, QS, ML, QL float32
	Share          float32 // moving share of hours with activity
	AS, AL         float32 // mean of count and long sum over active windows

	Run   uint16 // windows below the threshold in a row, in an episode
	Flags uint16 // bit 0: an episode is open; bits 1 to 4: shift of the ring

	Hour [buckets]uint8 // activity by local hour: 24 of weekdays, 24 of weekends
	Ring [ringSlots]uint16

	// How unusual the hour hourAt is. It follows from the rest, which does not
	// change within an hour, and is not encoded.
	hourAt uint32
	hourX  float32
}

// ringSlots is the length of the long sum in windows: an hour of five-minute ones.
const ringSlots = 12

const (
	flagOpen   = 1 << 0
	shiftAt    = 1
	shiftMask  = 15 << shiftAt
	ringMost   = math.MaxUint16
	shiftLimit = 15
)

func (s *State) open() bool { return s.Flags&flagOpen != 0 }

func (s *State) setOpen(open bool) {
	s.Flags &^= flagOpen
	if open {
		s.Flags |= flagOpen
	}
}

func (s *State) shift() uint { return uint(s.Flags&shiftMask) >> shiftAt }

// put sets a slot of the ring. A count that is too large for it halves the
// ring until it fits; the error is below 2⁻¹⁵.
func (s *State) put(slot int64, y uint32) {
	shift := s.shift()
	for y>>shift > ringMost && shift < shiftLimit {
		shift++
		for i := range s.Ring {
			s.Ring[i] >>= 1
		}
	}
	s.Flags = s.Flags&^shiftMask | uint16(shift<<shiftAt)
	s.Ring[slot] = uint16(min(y>>shift, ringMost))
}

// sum is the long sum.
func (s *State) sum() float64 {
	n := uint32(0)
	for _, v := range &s.Ring {
		n += uint32(v)
	}
	return float64(uint64(n) << s.shift())
}

// AppendBinary appends the 192 bytes of the state. The error is always nil.
func (s *State) AppendBinary(b []byte) ([]byte, error) {
	for _, v := range [...]uint32{s.First, s.Last, s.Cool, s.Active} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	b = s.Off.append(s.Long.append(s.Short.append(b)))
	for _, v := range [...]float32{s.MS, s.QS, s.ML, s.QL, s.Share, s.AS, s.AL} {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	b = binary.LittleEndian.AppendUint16(b, s.Run)
	b = binary.LittleEndian.AppendUint16(b, s.Flags)
	b = append(b, s.Hour[:]...)
	for _, v := range s.Ring {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	return b, nil
}

// DecodeState reads what AppendBinary wrote.
func DecodeState(b []byte) (s State, err error) {
	if len(b) != StateBytes {
		return s, fmt.Errorf("baseline of %d bytes: want %d", len(b), StateBytes)
	}
	u := func(i int) uint32 { return binary.LittleEndian.Uint32(b[i:]) }
	f := func(i int) float32 { return math.Float32frombits(u(i)) }
	s.First, s.Last, s.Cool, s.Active = u(0), u(4), u(8), u(12)
	s.Short, s.Long, s.Off = decodeTail(b[16:]), decodeTail(b[40:]), decodeTail(b[64:])
	s.MS, s.QS, s.ML, s.QL = f(88), f(92), f(96), f(100)
	s.Share, s.AS, s.AL = f(104), f(108), f(112)
	s.Run, s.Flags = binary.LittleEndian.Uint16(b[116:]), binary.LittleEndian.Uint16(b[118:])
	copy(s.Hour[:], b[120:])
	for i := range s.Ring {
		s.Ring[i] = binary.LittleEndian.Uint16(b[168+2*i:])
	}
	return s, nil
}
