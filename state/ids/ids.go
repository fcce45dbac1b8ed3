// Package ids packs the ids of a shard's events by the hour of their event
// time, so that a busy hour which has passed costs one object in the store and
// nothing in RAM. FORMAT.md in the folder above has the layout.
//
// An object is written once, by the commit that names it. An hour of it is read
// on its own, when an event arrives so late that its id has to be looked up.
package ids

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sort"

	"github.com/cairnstream/cairn/state/key"
	"github.com/cairnstream/cairn/state/manifest"
)

// Version is the number of the format. Higher ones are refused.
const Version = 1

const (
	headMagic  = "CRNIDS"
	footMagic  = "CRNIDSE1"
	headSize   = len(headMagic) + 2
	hourSize   = 16 // in front of the ids of an hour: version, count, hour
	sumSize    = 4  // behind them
	footerSize = 4 + sumSize + len(footMagic)
	idSize     = len(key.EventID{})
)

var (
	// ErrCorrupt means that an object's bytes are not those that were written.
	ErrCorrupt = errors.New("packed event ids are damaged")
	// ErrVersion means that a newer Cairn wrote the object.
	ErrVersion = errors.New("packed event ids have a version newer than this program")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrCorrupt}, args...)...)
}

// Hour is the ids of one hour, ascending and without repetition.
type Hour struct {
	Hour int64 // hours since 1970
	IDs  []key.EventID
}

// Set answers whether an id is in an hour. It is the hour's bytes as stored,
// so it costs 16 bytes an id. The zero Set is empty.
type Set struct{ raw []byte }

// Len is the number of ids.
func (s Set) Len() int { return len(s.raw) / idSize }

// At is the id at place i of the ascending order.
func (s Set) At(i int) key.EventID { return key.EventID(s.raw[i*idSize:]) }

// Has tells whether id is in the set.
func (s Set) Has(id key.EventID) bool {
	i := sort.Search(s.Len(), func(i int) bool { return bytes.Compare(s.raw[i*idSize:(i+1)*idSize], id[:]) >= 0 })
	return i < s.Len() && s.At(i) == id
}

func header() []byte { return append([]byte(headMagic), Version, 0) }

// hourHead is what stands in front of an hour's ids.
func hourHead(hour int64, count int) []byte {
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, hourSize), Version)
	b = binary.LittleEndian.AppendUint32(b, uint32(count))
	return binary.LittleEndian.AppendUint64(b, uint64(hour))
}

// footer closes an object of so many hours. Its sum covers the header too.
func footer(hours int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(hours))
	sum := crc32.Update(crc32.Checksum(header(), castagnoli), castagnoli, b)
	b = binary.LittleEndian.AppendUint32(b, sum)
	return append(b, footMagic...)
}

// sectionSize is the size of an hour of count ids in the object.
func sectionSize(count int64) int64 { return int64(hourSize) + count*int64(idSize) + int64(sumSize) }

// parseHour reads the hour at the beginning of data, whose size is known from
// the manifest or was found by hourLength.
func parseHour(data []byte) (hour int64, set Set, err error) {
	if len(data) < hourSize+sumSize {
		return 0, set, corrupt("an hour of %d bytes", len(data))
	}
	body, sum := data[:len(data)-sumSize], binary.LittleEndian.Uint32(data[len(data)-sumSize:])
	if crc32.Checksum(body, castagnoli) != sum {
		return 0, set, corrupt("the checksum of an hour differs")
	}
	if v := binary.LittleEndian.Uint32(body); v != Version {
		return 0, set, fmt.Errorf("version %d: %w", v, ErrVersion)
	}
	set.raw = body[hourSize:]
	if count := binary.LittleEndian.Uint32(body[4:]); uint64(count)*uint64(idSize) != uint64(len(set.raw)) {
		return 0, Set{}, corrupt("an hour says %d ids and has %d bytes of them", count, len(set.raw))
	}
	for i := 1; i < set.Len(); i++ {
		if bytes.Compare(set.raw[(i-1)*idSize:i*idSize], set.raw[i*idSize:(i+1)*idSize]) >= 0 {
			return 0, Set{}, corrupt("ids %d and %d of an hour are out of order", i-1, i)
		}
	}
	return int64(binary.LittleEndian.Uint64(body[8:])), set, nil
}

// Decode reads a whole object, and finds any byte that is not as written. The
// sets share data's memory.
func Decode(data []byte) (hours map[int64]Set, refs []manifest.DedupHour, err error) {
	if len(data) < headSize+footerSize {
		return nil, nil, corrupt("%d bytes", len(data))
	}
	if v := data[headSize-2]; string(data[:len(headMagic)]) == headMagic && v > Version {
		return nil, nil, fmt.Errorf("version %d: %w", v, ErrVersion)
	}
	end := len(data) - footerSize
	count := binary.LittleEndian.Uint32(data[end:])
	if !bytes.Equal(data[:headSize], header()) || !bytes.Equal(data[end:], footer(int(count))) {
		return nil, nil, corrupt("header or footer differ")
	}
	hours = map[int64]Set{}
	for at := headSize; at < end; {
		size := hourLength(data[at:end])
		if size < 0 {
			return nil, nil, corrupt("an hour at byte %d does not end", at)
		}
		hour, set, err := parseHour(data[at : at+size])
		if err != nil {
			return nil, nil, err
		}
		if n := len(refs); n > 0 && refs[n-1].Hour >= hour {
			return nil, nil, corrupt("hour %d comes after hour %d", hour, refs[n-1].Hour)
		}
		hours[hour] = set
		refs = append(refs, manifest.DedupHour{Hour: hour, IDs: int64(set.Len()), Offset: int64(at)})
		at += size
	}
	if int(count) != len(refs) {
		return nil, nil, corrupt("%d hours, the footer says %d", len(refs), count)
	}
	return hours, refs, nil
}

// hourLength is the size of the hour at the beginning of data, -1 when data is
// too short for it.
func hourLength(data []byte) int {
	if len(data) < hourSize {
		return -1
	}
	size := sectionSize(int64(binary.LittleEndian.Uint32(data[4:])))
	if size > int64(len(data)) {
		return -1
	}
	return int(size)
}
