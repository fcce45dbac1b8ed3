package replay

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/cairnstream/cairn/bench/gen"
	"github.com/cairnstream/cairn/state/blob"
)

// bucket starts an S3 on loopback with one bucket, to which the environment of
// the test points.
func bucket(t *testing.T) string {
	t.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket("example"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	return "s3://example"
}

func s3Store(t *testing.T, url string) blob.Store {
	t.Helper()
	s, err := blob.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestALakeOnS3IsTheLakeInAFolder replays log files from a bucket into a lake
// and a state in the same bucket, twice, and compares the lake with that of a
// folder, byte for byte.
func TestALakeOnS3IsTheLakeInAFolder(t *testing.T) {
	if testing.Short() {
		t.Skip("puts some hundred objects through HTTP")
	}
	dir := t.TempDir()
	cfg := config(t, dir)
	want := leftBehind(t, dir, cfg, replay(t, cfg, sample(t)))

	url := bucket(t)
	upload(t, s3Store(t, url+"/logs"))
	cfg = config(t, t.TempDir())
	cfg.Shard.Lake, cfg.Shard.State = s3Store(t, url+"/lake"), s3Store(t, url+"/state")
	for i := range 2 {
		in := list(t, url+"/logs")
		if r := replay(t, cfg, in); i == 1 && r.Run.In != 0 {
			t.Errorf("a second replay took in %d pieces", r.Run.In)
		}
	}
	got := map[string]string{}
	for o, err := range cfg.Shard.Lake.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(o.Key, "_stage/") {
			continue
		}
		data, _, err := cfg.Shard.Lake.Get(t.Context(), o.Key)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		got[o.Key] = hex.EncodeToString(sum[:])
	}
	if diff := cmp.Diff(want.Files, got); diff != "" {
		t.Errorf("the lakes differ (-folder +S3):\n%s", diff)
	}
}

func upload(t *testing.T, to blob.Store) {
	t.Helper()
	files := gen.Sample()
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		_, err = to.Put(t.Context(), name, data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
