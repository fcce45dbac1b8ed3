package baseline

import (
	"fmt"
	"time"

	"github.com/cairnstream/cairn/state/key"
)

// expire removes rows that were not seen for the history, a twenty-fourth of
// all with each hour that the watermark passes. What such a row says does not
// count already, so this only frees room.
func (e *Engine) expire(r *ruleState, watermark time.Time) error {
	s := r.seen
	hour := watermark.Unix() / 3600
	if hour <= s.swept {
		return nil
	}
	from := max(s.swept+1, hour-23)
	if s.swept <= 0 {
		from = hour // the first watermark: nothing is known to be old
	}
	s.swept = hour
	oldest := int(dayOf(watermark)) - daysIn(s.spec.History) - 1
	for h := from; h <= hour; h++ {
		for p, first := range s.places {
			if int(first) >= oldest {
				continue // nothing can be that old
			}
			if err := e.sweep(r, p, h%24, oldest); err != nil {
				return fmt.Errorf("rule %s: remove what was not seen for long: %w", r.ID, err)
			}
		}
	}
	return nil
}

func (e *Engine) sweep(r *ruleState, p place, part int64, oldest int) error {
	for b := part * 256 / 24; b < (part+1)*256/24; b++ {
		for _, sort := range [...]byte{rowSeen, rowParent} {
			if err := e.drop(r.row(p, sort, key.AppendString(nil, p.name), []byte{byte(b)}), oldest); err != nil {
				return err
			}
		}
	}
	return nil
}

// drop deletes the rows under a prefix that were last seen before a day.
func (e *Engine) drop(prefix []byte, oldest int) error {
	var old [][]byte
	for row, err := range e.store.Range(prefix) {
		if err != nil {
			return err
		}
		d, err := decodeDays(row.Value)
		if err != nil {
			return err
		}
		if int(d.last) < oldest {
			old = append(old, append([]byte(nil), row.Key...))
		}
	}
	for _, k := range old {
		e.store.Delete(k)
	}
	return e.store.Err()
}
