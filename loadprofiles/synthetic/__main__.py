"""`python -m loadprofiles.synthetic` writes the sample inputs."""

from loadprofiles.synthetic.samples import main

if __name__ == "__main__":
    main()
