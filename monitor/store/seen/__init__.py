"""What a detector saw of what there was: objects found and missed, labelled images, and what is measured over both."""
