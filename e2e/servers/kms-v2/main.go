// A Kubernetes KMS v2 plugin on the official server side of the protocol, k8s.io/kms/pkg/service, with an AES-256 key of
// its own: kms-v2 SOCKET KEYFILE. The key file holds 32 bytes; another one is another key, with another key_id.
package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/kms/pkg/service"
)

type plugin struct {
	aead cipher.AEAD
	id   string
}

func (p *plugin) Status(context.Context) (*service.StatusResponse, error) {
	return &service.StatusResponse{Version: "v2", Healthz: "ok", KeyID: p.id}, nil
}

func (p *plugin) Encrypt(_ context.Context, uid string, data []byte) (*service.EncryptResponse, error) {
	nonce := make([]byte, p.aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	note := []byte("written by the plugin")
	return &service.EncryptResponse{
		Ciphertext:  p.aead.Seal(nonce, nonce, data, note),
		KeyID:       p.id,
		Annotations: map[string][]byte{"note.kms-v2.test": note},
	}, nil
}

func (p *plugin) Decrypt(_ context.Context, uid string, req *service.DecryptRequest) ([]byte, error) {
	if uid == "" {
		return nil, errors.New("a request without uid")
	}
	if req.KeyID != p.id {
		return nil, fmt.Errorf("key %q is none of mine", req.KeyID)
	}
	if len(req.Ciphertext) < p.aead.NonceSize() {
		return nil, errors.New("too short")
	}
	nonce, sealed := req.Ciphertext[:p.aead.NonceSize()], req.Ciphertext[p.aead.NonceSize():]
	return p.aead.Open(nil, nonce, sealed, req.Annotations["note.kms-v2.test"])
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: kms-v2 SOCKET KEYFILE")
		os.Exit(2)
	}
	key, err := os.ReadFile(os.Args[2])
	if err != nil || len(key) != 32 {
		fmt.Fprintln(os.Stderr, "the key file must hold 32 bytes")
		os.Exit(1)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	digest := sha256.Sum256(key)
	server := service.NewGRPCService(os.Args[1], 5*time.Second, &plugin{aead: aead, id: hex.EncodeToString(digest[:8])})
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		server.Shutdown()
	}()
	if err := server.ListenAndServe(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
