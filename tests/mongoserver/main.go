// Mongoserver is the tests' stand-in for mongod: FerretDB 1.18 over SQLite files.
//
// 1.18 on purpose: later versions lose a connection at each matched update.
// Embedded FerretDB reports no telemetry; its constructor switches it off.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os/signal"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	dir := flag.String("dir", ".", "existing folder for the data")
	flag.Parse()

	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: *listen},
		Handler:   "sqlite",
		SQLiteURL: "file:" + *dir + "/",
	})
	if err != nil {
		log.Fatal(err)
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	go func() { fmt.Println(server.MongoDBURI()) }() // waits until the listener is up
	if err := server.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
