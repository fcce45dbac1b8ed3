package export

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/cairnstream/cairn/export/rowlog"
)

// maxSpool is the size at which a spool file is left for a new one. A file
// goes when its last block does, so small files free the disk early.
const maxSpool = 64 << 20

// spool is an unnamed file that holds blocks which have no room in memory. It
// is a cache: after a crash the rows come from the row logs.
type spool struct {
	file *os.File
	name string

	mu     sync.Mutex
	size   int64
	blocks int  // blocks that are still needed
	full   bool // no more blocks will come
}

// spoolFor reserves room for a block in the newest spool file.
func (p *packer) spoolFor(size int) (*spool, int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spool != nil {
		if offset, ok := p.spool.reserve(size); ok {
			return p.spool, offset, nil
		}
	}
	sp, err := newSpool(p.opts.SpoolDir)
	if err != nil {
		return nil, 0, err
	}
	p.spool = sp
	offset, _ := sp.reserve(size)
	return sp, offset, nil
}

func newSpool(dir string) (*spool, error) {
	f, err := os.CreateTemp(dir, "rows-*.spool")
	if err != nil {
		return nil, fmt.Errorf("export: open rows: %w", err)
	}
	sp := &spool{file: f, name: f.Name()}
	if os.Remove(f.Name()) == nil {
		sp.name = "" // the file lives on without a name, and goes with the process
	}
	return sp, nil
}

// reserve hands out the next size bytes. It fails when the file is full, or
// was given up.
func (s *spool) reserve(size int) (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full || s.size > 0 && s.size+int64(size) > maxSpool {
		return 0, false
	}
	offset := s.size
	s.size += int64(size)
	s.blocks++
	return offset, true
}

func (s *spool) write(offset int64, data []byte) error {
	if _, err := s.file.WriteAt(data, offset); err != nil {
		return fmt.Errorf("export: spool open rows: %w", err)
	}
	return nil
}

// read fills data with the block at offset.
func (s *spool) read(offset int64, data []byte) (rowlog.Block, error) {
	if _, err := s.file.ReadAt(data, offset); err != nil {
		return rowlog.Block{}, fmt.Errorf("export: read spooled rows: %w", err)
	}
	b, err := rowlog.ParseBlock(data)
	if err != nil {
		return b, fmt.Errorf("export: spooled rows: %w", err)
	}
	return b, nil
}

// release gives one block up. The last one closes the file.
func (s *spool) release() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks--
	if s.blocks > 0 {
		return nil
	}
	s.full = true
	err := s.file.Close()
	if s.name != "" {
		err = errors.Join(err, os.Remove(s.name))
	}
	if err != nil {
		return fmt.Errorf("export: close spool: %w", err)
	}
	return nil
}
